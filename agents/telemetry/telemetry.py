"""The telemetry of one process: what the settings ask for is started before work begins and stopped after it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from elexirion.agents.health.checks import checks_of_a_worker
from elexirion.agents.health.report import HealthReport, examine
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.settings import Settings
from elexirion.agents.telemetry.circuits import Circuits
from elexirion.agents.telemetry.followed_log import FollowedLog, Listener
from elexirion.agents.telemetry.lane_load import LaneLoad
from elexirion.agents.telemetry.log_ends import LogEnds
from elexirion.agents.telemetry.loop_watch import LoopWatch, Watchdog
from elexirion.agents.telemetry.spans import Spans
from elexirion.events.topics import Topics
from elexirion.projections.providers import Providers

if TYPE_CHECKING:  # a process may decide for nobody
    from elexirion.agents.orchestrator.partitions import Owned

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What a process tells of itself: its name, its lanes, why it takes no work now (None where it does).

    `providers` is what it has read of that topic.
    """

    instance: str
    lanes: Callable[[], tuple[LaneLoad, ...]]
    unready: Callable[[], str | None]
    providers: Callable[[], Providers]


class Telemetry:
    """Loop watch and watchdog always; metrics and health pages with `http_port`; traces with `otlp_endpoint`."""

    def __init__(self, settings: Settings, address: KafkaAddress, told: Told) -> None:
        self.url: str | None = None
        self._settings = settings
        self._address = address
        self._told = told
        self._loop = LoopWatch()

    async def start(
        self, stack: AsyncExitStack, followed: FollowedLog | None, listeners: Sequence[Listener] = ()
    ) -> None:
        """Start what is asked for; the stack stops it. `followed` is the log of an orchestrator, before it runs.

        Raises PortTakenError.
        """
        self._watch_loop(stack)
        if followed:
            for listener in listeners:
                followed.listen(listener)
            self._start_traces(stack, followed)
        if self._settings.http_port is not None:
            await self._start_endpoint(stack, self._settings.http_port, followed)

    def _watch_loop(self, stack: AsyncExitStack) -> None:
        task = asyncio.create_task(self._loop.run(), name="loop watch")
        stack.callback(task.cancel)
        if self._settings.watchdog_s:
            watchdog = Watchdog(self._loop, self._settings.watchdog_s)
            watchdog.start()
            stack.callback(watchdog.stop)

    def _start_traces(self, stack: AsyncExitStack, followed: FollowedLog) -> None:
        if not self._settings.otlp_endpoint:
            return
        try:
            from elexirion.agents.telemetry.otlp import otlp_outlet
        except ImportError as error:
            log.error("no traces are sent: OpenTelemetry is not installed", missing=error.name,
                      hint="pip install 'elexirion[otel]', or unset ELEXIRION_OTLP_ENDPOINT")  # fmt: skip
            return
        outlet = otlp_outlet(self._settings.otlp_endpoint, self._told.instance)
        stack.push_async_callback(asyncio.to_thread, outlet.close)
        followed.watch(Spans(outlet.emit))

    async def _start_endpoint(self, stack: AsyncExitStack, port: int, followed: FollowedLog | None) -> None:
        # Here, since most processes of a developer serve no pages and should not wait for a web server to load.
        from elexirion.agents.telemetry.http_endpoint import HttpEndpoint, Sources
        from elexirion.agents.telemetry.registry import registry

        owned: Mapping[int, Owned] = followed.owned if followed else {}
        topics, circuits = Topics(self._settings.topic_prefix), Circuits(self._told.providers)
        ends = LogEnds(self._address, topics, self._settings.events_partitions)
        stack.push_async_callback(ends.stop)
        shown = registry(followed, self._told.lanes, ends, circuits, self._loop)
        checks = checks_of_a_worker(self._settings, self._address, owned, ends, self._loop, self._told.providers)

        async def examined() -> HealthReport:
            return await examine(checks, self._settings.health_timeout_s)

        sources = Sources(shown, ends.refresh, examined, partial(self._unready, owned))
        endpoint = HttpEndpoint(sources, self._settings.http_host, port)
        await endpoint.start()
        stack.push_async_callback(endpoint.stop)
        self.url = endpoint.url
        log.info("metrics and health", url=endpoint.url)

    def _unready(self, owned: Mapping[int, Owned]) -> str | None:
        catching_up = sum(not one.caught_up for one in owned.values())
        if catching_up:
            return f"{catching_up} partitions are being read to their end"
        return self._told.unready()
