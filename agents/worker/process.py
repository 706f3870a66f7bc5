"""A worker process: all roles in one event loop. It ends by a signal (draining), or at once on a fatal error."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Literal

import structlog
from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.agents.kafka import payloads
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.errors import ProducerFatalError
from elexirion.agents.kafka.reading import PartitionReader
from elexirion.agents.kafka.topic_admin import ensure_topics
from elexirion.agents.orchestrator.forwarder import Forwarder
from elexirion.agents.orchestrator.plans import Plans
from elexirion.agents.orchestrator.service import Orchestrator
from elexirion.agents.orchestrator.session_log import SessionLog
from elexirion.agents.providers.registry import PROVIDERS, missing_key, providers_for
from elexirion.agents.settings import Settings
from elexirion.agents.steps.registry import runners
from elexirion.agents.telemetry.followed_log import Listener
from elexirion.agents.telemetry.lane_load import LaneLoad
from elexirion.agents.telemetry.log_context import logged_about
from elexirion.agents.telemetry.telemetry import Telemetry, Told
from elexirion.agents.telemetry.traced_appender import TracedAppender
from elexirion.agents.worker.cache_topic import CacheTopic
from elexirion.agents.worker.execution import Tools
from elexirion.agents.worker.executor import Executor
from elexirion.agents.worker.heartbeat import Heartbeat
from elexirion.agents.worker.lane_app import Lane, create_lane, quiet_libraries
from elexirion.agents.worker.reports import Reports
from elexirion.agents.worker.result_cache import ResultCache
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.events.identifiers import new_incarnation
from elexirion.events.step import CancelStep, ExecuteStep
from elexirion.events.topics import LANES, Topics
from elexirion.events.values import Value
from elexirion.events.worker import LaneOffer, WorkerHeartbeat

log = structlog.get_logger(__name__)

Role = Literal["orchestrator", "lanes"]
ALL_ROLES: frozenset[Role] = frozenset({"orchestrator", "lanes"})


async def run_worker(
    settings: Settings,
    bootstrap: str,
    roles: frozenset[Role] = ALL_ROLES,
    lanes: tuple[str, ...] = LANES,
    listeners: Sequence[Listener] = (),
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A second signal ends the process at once.

    `listeners` are told of every new record of the runs that this process decides for.

    Raises BrokerUnreachableError or TopicsMismatchError at the start, ProducerFatalError later on: then the
    process must end, and its supervisor starts another.
    """
    quiet_libraries()
    _spare_the_collector()
    worker = Worker(settings, bootstrap, roles, lanes if "lanes" in roles else (), listeners)
    await worker.run()


def _spare_the_collector() -> None:
    """Modules and models live as long as the process: look at them never again, and at the rest less often.

    The default threshold of 700 makes a full collection, 30 ms and more, part of every few hundred steps.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class Worker:
    """The parts of one process, started and stopped in order."""

    def __init__(
        self,
        settings: Settings,
        bootstrap: str,
        roles: frozenset[Role],
        lanes: tuple[str, ...],
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.worker_id = settings.worker_id or f"{socket.gethostname()}-{os.getpid()}"
        self.incarnation = new_incarnation(self.worker_id)
        self._settings = settings
        self._roles = roles
        self._stopping = asyncio.Event()
        self._fatal: ProducerFatalError | None = None
        self._address = KafkaAddress(bootstrap, f"elexirion-{self.worker_id}")
        self._appender = TracedAppender(
            self._address, Topics(settings.topic_prefix), settings.events_partitions, self.incarnation, self._doom
        )
        self._live, self._offline = providers_for(settings, False), providers_for(settings, True)
        self._cached = CacheTopic(self._address, self._appender)
        self._executor = Executor(self.incarnation, self._tools(), settings.slots, self._may_start)
        self._heartbeat = Heartbeat(self._appender, self.worker_id, settings.heartbeat_interval_s, self._describe)
        self._lanes = tuple(self._lane(name, bootstrap) for name in lanes)
        self._evaluator = BoundedEvaluator()
        self._listeners = listeners
        self._unready: str | None = "starting"
        self._telemetry = Telemetry(settings, self._address, Told(self.incarnation, self._loads, lambda: self._unready))

    async def run(self) -> None:
        """Everything from the first connection to the farewell."""
        self._follow_signals()
        await ensure_topics(self._address, self._settings)
        async with AsyncExitStack() as stack:
            await self._appender.start()
            stack.push_async_callback(self._appender.stop)
            await self._serve(stack)
        if self._fatal:
            raise self._fatal

    async def _serve(self, stack: AsyncExitStack) -> None:
        for provider in (*self._live.values(), *self._offline.values()):
            stack.push_async_callback(provider.aclose)
        stack.push_async_callback(self._cached.stop)
        stack.push_async_callback(self._heartbeat.leave, self.incarnation)
        tasks = [asyncio.create_task(self._heartbeat.run(), name="heartbeat")]
        stack.push_async_callback(_cancel, tasks)
        if "orchestrator" in self._roles:
            tasks += await self._start_orchestrator(stack)
        else:
            await self._telemetry.start(stack, None)
        stack.push_async_callback(self._drain)
        await asyncio.gather(*(lane.start() for lane in self._lanes))
        for lane in self._lanes:
            stack.push_async_callback(lane.stop)
        stack.callback(self._announce_drain)
        self._cached.start(reading=any(lane.name in PROVIDERS for lane in self._lanes))
        self._unready = None
        log.info("worker ready", worker=self.worker_id, incarnation=self.incarnation, roles=sorted(self._roles),
                 lanes=[lane.name for lane in self._lanes])  # fmt: skip
        await self._until_stopped(tasks)

    async def _start_orchestrator(self, stack: AsyncExitStack) -> list["asyncio.Task[None]"]:
        await self._evaluator.start()
        stack.push_async_callback(self._evaluator.stop)
        log_reader = PartitionReader(self._address, self._appender.topics.events)
        sessions = SessionLog(log_reader, self._settings.events_partitions)
        stack.push_async_callback(sessions.stop)
        plans = Plans(self._settings, self._evaluator, self._load, self._store, sessions)
        orchestrator = Orchestrator(
            self._settings, self._address, self._appender, self.incarnation, plans, plans,
            self._accept, self._executor.cancel, self._load, sessions,
        )  # fmt: skip
        await self._telemetry.start(stack, orchestrator.followed, self._listeners)
        forwarder = Forwarder(
            self._address,
            self._appender,
            self._settings.group_session_timeout_s,
            self._settings.record_limit_bytes,
        )
        await asyncio.gather(orchestrator.start(), forwarder.start())
        tasks = [
            asyncio.create_task(orchestrator.run(), name="orchestrator"),
            asyncio.create_task(forwarder.run(), name="forwarder"),
        ]
        stack.push_async_callback(orchestrator.stop)
        stack.push_async_callback(forwarder.stop)
        stack.push_async_callback(_cancel, tasks)
        return tasks

    async def _until_stopped(self, tasks: list["asyncio.Task[None]"]) -> None:
        """Wait for a signal; a part that ends by itself has crashed and takes the process along."""
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done - {stopping}:
            error = task.exception()
            log.error("a part of the worker ended", part=task.get_name(), error=repr(error))
            raise error or RuntimeError(f"{task.get_name()} ended")

    def _announce_drain(self) -> None:
        """Before the lanes stop: take nothing new, and tell dispatchers."""
        self._unready = "draining"
        self._executor.draining = True
        self._heartbeat.changed()

    async def _drain(self) -> None:
        held = len(self._executor.held_ids())
        if held:
            log.info("draining", executions=held, within_s=self._settings.drain_s)
        await self._executor.drain(self._settings.drain_s)

    # -- parts

    def _tools(self) -> Tools:
        return Tools(
            reports=Reports(self._appender), runners=runners(self._settings), provider=self._provider,
            load=self._load, store=self._store, trusted_folders=self._settings.trust_run_folders,
            cache=ResultCache(self._cached.results, self._cached.write, self._settings.record_limit_bytes),
        )  # fmt: skip

    def _provider(self, lane: str, offline: bool) -> Any:
        return (self._offline if offline else self._live).get(lane)

    async def _load(self, value: Value) -> Any:
        return await payloads.load(self._address, self._appender.topics.payloads, value)

    async def _store(self, run_id: str, value: object) -> Value:
        return await payloads.store(self._appender, run_id, value, self._settings.record_limit_bytes)

    def _lane(self, name: str, bootstrap: str) -> Lane:
        return create_lane(name, bootstrap, self._settings, self._take, self._bury, lambda: self._heartbeat.changed())

    def _take(self, record: Record) -> None:
        match record.data:
            case ExecuteStep():
                self._accept(record)
            case CancelStep() if record.data.incarnation == self.incarnation:
                self._executor.cancel(record.data.execution_id)
            case _:
                log.debug("not for this worker", type=record.type, id=record.id)

    def _accept(self, record: Record) -> None:
        with logged_about(record):
            self._executor.accept(record)

    async def _bury(self, letter: DeadLetter) -> None:
        log.warning("a step command cannot be read", topic=letter.topic, offset=letter.offset, reason=letter.reason)
        await self._appender.raw(self._appender.topics.dead_letters, letter.encode(), None, 0)

    # -- life signs

    def _may_start(self) -> bool:
        return self._heartbeat.silent_for_s() < self._settings.lease_s - self._settings.lease_margin_s

    def _describe(self, number: int) -> WorkerHeartbeat:
        held = self._executor.held_by_lane()
        offers = tuple(self._offer(lane, held[lane.name]) for lane in self._lanes)
        return WorkerHeartbeat(
            worker_id=self.worker_id, incarnation=self.incarnation, number=number,
            roles=tuple(sorted(self._roles)), lanes=offers, held=self._executor.held_ids(),
            draining=self._executor.draining,
        )  # fmt: skip

    def _loads(self) -> tuple[LaneLoad, ...]:
        held = self._executor.held_by_lane()
        return tuple(LaneLoad(lane.name, self._settings.slots(lane.name), held[lane.name]) for lane in self._lanes)

    def _offer(self, lane: Lane, held: int) -> LaneOffer:
        ready = missing_key(lane.name, self._settings) is None
        return LaneOffer(
            lane=lane.name, partitions=lane.partitions, slots=self._settings.slots(lane.name), held=held,
            provider="ready" if ready else "not_configured",
        )  # fmt: skip

    # -- the end

    def _doom(self, error: ProducerFatalError) -> None:
        if self._fatal is None:
            log.error("the producer failed for good; the process ends", error=str(error))
            self._fatal = error
            self._stopping.set()
            asyncio.get_running_loop().call_later(5.0, partial(os._exit, 1))

    def _follow_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: int) -> None:
        if self._stopping.is_set():
            log.warning("second signal, ending now")
            sys.stderr.flush()
            os._exit(128 + number)
        log.info("stopping; a second signal ends at once", signal=signal.Signals(number).name)
        self._stopping.set()


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
