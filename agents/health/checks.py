"""Which checks are made where, with the limits of the settings."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from elexirion.agents.health.kafka import command_lag, kafka, log_lag
from elexirion.agents.health.machine import Limits, disk, event_loop, memory, process_count
from elexirion.agents.health.provider_api import provider_api
from elexirion.agents.health.report import Check, cached
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.providers.registry import missing_key
from elexirion.agents.settings import Settings
from elexirion.agents.telemetry.log_ends import LogEnds
from elexirion.agents.telemetry.loop_watch import LoopWatch
from elexirion.events.topics import Topics


def checks_of_a_worker(
    settings: Settings, address: KafkaAddress, owned: Mapping[int, Owned], ends: LogEnds, loop: LoopWatch
) -> dict[str, Check]:
    """What a worker says of itself and what it depends on."""
    late = Limits(settings.health_loop_lag_degraded_s, settings.health_loop_lag_unhealthy_s)
    return _shared(settings, address) | {
        "log_lag": log_lag(owned, ends, _lag_limits(settings)),
        "event_loop": event_loop(loop.worst_s, late),
    }


def checks_from_outside(settings: Settings, address: KafkaAddress) -> dict[str, Check]:
    """What a command line can find out without being a worker."""
    lag = command_lag(address, Topics(settings.topic_prefix), settings.events_partitions, _lag_limits(settings))
    return _shared(settings, address) | {"log_lag": lag}


def _shared(settings: Settings, address: KafkaAddress) -> dict[str, Check]:
    within_s, keep_s = settings.health_timeout_s, settings.health_api_cache_s
    claude = provider_api(settings.anthropic_base_url, missing_key("claude", settings), within_s)
    gemini = provider_api(settings.gemini_base_url, missing_key("gemini", settings), within_s)
    use = Limits(settings.health_memory_degraded_percent, settings.health_memory_unhealthy_percent)
    tasks = Limits(settings.health_tasks_degraded, settings.health_tasks_unhealthy)
    free = Limits(settings.health_disk_degraded_mb, settings.health_disk_unhealthy_mb)
    return {
        "kafka": kafka(address, Topics(settings.topic_prefix)),
        "claude_api": cached(claude, keep_s),
        "gemini_api": cached(gemini, keep_s),
        "memory": memory(use),
        "process_count": process_count(tasks),
        "disk": disk(settings.home or Path(tempfile.gettempdir()), free),
    }


def _lag_limits(settings: Settings) -> Limits:
    return Limits(settings.health_log_lag_degraded, settings.health_log_lag_unhealthy)
