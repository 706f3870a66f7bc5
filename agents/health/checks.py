"""Which checks are made where, with the limits of the settings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from elexirion.agents.health.circuits import circuits, read_from_outside
from elexirion.agents.health.kafka import command_lag, kafka, log_lag
from elexirion.agents.health.machine import Limits, disk, event_loop, memory, process_count
from elexirion.agents.health.provider_api import provider_api
from elexirion.agents.health.report import Check, cached
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.providers.registry import PROVIDERS, missing_key, probe_of
from elexirion.agents.settings import Settings
from elexirion.agents.telemetry.log_ends import LogEnds
from elexirion.agents.telemetry.loop_watch import LoopWatch
from elexirion.events.topics import Topics
from elexirion.projections.providers import Providers

if TYPE_CHECKING:  # most processes that look at their health decide for nobody
    from elexirion.agents.orchestrator.partitions import Owned


def checks_of_a_worker(
    settings: Settings,
    address: KafkaAddress,
    owned: Mapping[int, Owned],
    ends: LogEnds,
    loop: LoopWatch,
    providers: Callable[[], Providers],
) -> dict[str, Check]:
    """What a worker says of itself and what it depends on."""

    async def followed() -> Providers:
        return providers()

    late = Limits(settings.health_loop_lag_degraded_s, settings.health_loop_lag_unhealthy_s)
    return _shared(settings, address) | {
        "log_lag": log_lag(owned, ends, _lag_limits(settings)),
        "event_loop": event_loop(loop.worst_s, late),
        "circuits": circuits(followed),
    }


def checks_from_outside(settings: Settings, address: KafkaAddress) -> dict[str, Check]:
    """What a command line can find out without being a worker."""
    topics = Topics(settings.topic_prefix)
    lag = command_lag(address, topics, settings.events_partitions, _lag_limits(settings))
    return _shared(settings, address) | {
        "log_lag": lag,
        "circuits": circuits(partial(read_from_outside, address, topics)),
    }


def _shared(settings: Settings, address: KafkaAddress) -> dict[str, Check]:
    within_s, keep_s = settings.health_timeout_s, settings.health_api_cache_s
    apis = {
        f"{lane}_api": cached(
            provider_api(probe_of(lane, settings), entry.key_variable, missing_key(lane, settings), within_s), keep_s
        )
        for lane, entry in PROVIDERS.items()
    }
    use = Limits(settings.health_memory_degraded_percent, settings.health_memory_unhealthy_percent)
    tasks = Limits(settings.health_tasks_degraded, settings.health_tasks_unhealthy)
    free = Limits(settings.health_disk_degraded_mb, settings.health_disk_unhealthy_mb)
    return {
        "kafka": kafka(address, Topics(settings.topic_prefix)),
        **apis,
        "memory": memory(use),
        "process_count": process_count(tasks),
        "disk": disk(settings.home or Path(tempfile.gettempdir()), free),
    }


def _lag_limits(settings: Settings) -> Limits:
    return Limits(settings.health_log_lag_degraded, settings.health_log_lag_unhealthy)
