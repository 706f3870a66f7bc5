"""A worker process: all roles in one event loop. It ends by a signal (draining), or at once on a fatal error."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import structlog
from elexirion.agents import failpoints
from elexirion.agents.kafka import payloads
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.dead_letters import bury
from elexirion.agents.kafka.errors import ProducerFatalError
from elexirion.agents.kafka.topic_admin import ensure_topics
from elexirion.agents.provider_control.control import shared_control
from elexirion.agents.provider_control.followed import FollowedProviders
from elexirion.agents.providers.port import Provider
from elexirion.agents.providers.prices import price_now
from elexirion.agents.providers.registry import PROVIDERS, missing_key, providers_for
from elexirion.agents.settings import Settings, name_of_this_process
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
from elexirion.agents.worker.lane_app import Lane, create_lane
from elexirion.agents.worker.library_logs import quiet_libraries
from elexirion.agents.worker.recordings import Recordings
from elexirion.agents.worker.reports import Reports
from elexirion.agents.worker.result_cache import ResultCache
from elexirion.events.codec import UndecodableError
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.events.identifiers import new_incarnation
from elexirion.events.step import CancelStep, ExecuteStep
from elexirion.events.topics import LANES, Topics
from elexirion.events.values import Value
from elexirion.events.worker import LaneOffer, WorkerHeartbeat

if TYPE_CHECKING:
    from elexirion.agents.evaluation import BoundedEvaluator
    from elexirion.agents.orchestrator.service import Orchestrator

log = structlog.get_logger(__name__)

Role = Literal["orchestrator", "lanes"]
ALL_ROLES: frozenset[Role] = frozenset({"orchestrator", "lanes"})

FATAL_END_S = 3.0
"""How long a process goes on that can never write again."""
END_S = 8.0
"""How long a process that was told to end may take after its drain: for a farewell, where the broker answers."""


def _evaluator() -> "BoundedEvaluator":
    from elexirion.agents.evaluation import BoundedEvaluator  # templates are for who decides

    return BoundedEvaluator()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker meets outside of itself; a simulation gives it a log, lanes and providers of its own.

    `kafka` makes the address for a client id, `providers` those of all lanes (True: without a network).
    """

    kafka: Callable[[str], KafkaAddress]
    providers: Callable[[Settings, bool], Mapping[str, Provider]] = providers_for
    lane: Callable[..., Lane] = create_lane
    evaluator: Callable[[], "BoundedEvaluator"] = _evaluator


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
    failpoints.arm()
    _spare_the_collector()
    around = Surroundings(partial(KafkaAddress, bootstrap, member=settings.worker_id))
    worker = Worker(settings, around, roles, lanes if "lanes" in roles else (), listeners)
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
        around: Surroundings,
        roles: frozenset[Role],
        lanes: tuple[str, ...],
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.worker_id = settings.worker_id or name_of_this_process()
        self.incarnation = new_incarnation(self.worker_id)
        self._settings = settings
        self._roles = roles
        self._stopping = asyncio.Event()
        self._fatal: ProducerFatalError | None = None
        self._around = around
        self._address = around.kafka(f"elexirion-{self.worker_id}")
        self._appender = TracedAppender(
            self._address, Topics(settings.topic_prefix), settings.events_partitions, self.incarnation, self._doom
        )
        self._live, self._offline = around.providers(settings, False), around.providers(settings, True)
        self._cached = CacheTopic(self._address, self._appender)
        self._shared = FollowedProviders(self._address, self._appender)
        self._control = shared_control(self._shared, settings, self.incarnation)
        self._executor = Executor(self.incarnation, self._tools(), settings.slots, self._may_start)
        self._heartbeat = Heartbeat(self._appender, self.worker_id, settings.heartbeat_interval_s, self._describe)
        self._lanes = tuple(self._lane(name) for name in lanes)
        self._listeners = listeners
        self._orchestrator: Orchestrator | None = None
        self._unready: str | None = "starting"
        told = Told(self.incarnation, self._loads, lambda: self._unready, lambda: self._shared.state)
        self._telemetry = Telemetry(settings, self._address, told)

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
        stack.push_async_callback(self._shared.stop)
        stack.push_async_callback(self._control.stop)
        stack.push_async_callback(self._heartbeat.leave, self.incarnation)
        tasks = [asyncio.create_task(self._heartbeat.run(), name="heartbeat")]
        stack.push_async_callback(_cancel, tasks)
        if "orchestrator" in self._roles:
            tasks += await self._start_orchestrator(stack)
        else:
            await self._telemetry.start(stack, None)
        stack.push_async_callback(self._drain)
        await self._shared.start()
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
        from elexirion.agents.worker.deciding import Means, start_deciding  # see there

        means = Means(
            self._settings, self._address, self._appender, self.incarnation, self._around.evaluator(), self._shared,
            self._load, self._store, self._accept, self._executor.cancel,
            lambda followed: self._telemetry.start(stack, followed, self._listeners),
        )  # fmt: skip
        self._orchestrator, tasks = await start_deciding(stack, means)
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
        released = await self._executor.drain(self._settings.drain_s)
        if released:
            log.info("released, others go on with them", executions=len(released))
        if released and self._orchestrator:
            await self._orchestrator.pass_on(released)

    # -- parts

    def _tools(self) -> Tools:
        return Tools(
            reports=Reports(self._appender), runners=runners(self._settings), provider=self._provider,
            load=self._load, store=self._store, trusted_folders=self._settings.trust_run_folders,
            cache=ResultCache(self._cached.results, self._cached.write, self._settings.record_limit_bytes),
            control=self._control, recordings=Recordings(self._address, self._settings),
            price=price_now(self._settings),
        )  # fmt: skip

    def _provider(self, lane: str, offline: bool) -> Any:
        return (self._offline if offline else self._live).get(lane)

    async def _load(self, value: Value) -> Any:
        return await payloads.load(self._address, self._appender.topics.payloads, value)

    async def _store(self, run_id: str, value: object) -> Value:
        return await payloads.store(self._appender, run_id, value, self._settings.record_limit_bytes)

    def _lane(self, name: str) -> Lane:
        return self._around.lane(
            name, self._address.bootstrap, self._settings, self._take, self._bury, lambda: self._heartbeat.changed()
        )

    def _take(self, record: Record) -> None:
        match record.data:
            case ExecuteStep():
                self._accept(record)
            case CancelStep():
                if record.data.incarnation == self.incarnation:
                    self._executor.cancel(record.data.execution_id)
            case _:
                raise UndecodableError(f"{record.type} version {record.version} is no command that a worker here knows")

    def _accept(self, record: Record) -> None:
        with logged_about(record):
            self._executor.accept(record)

    async def _bury(self, letter: DeadLetter) -> None:
        log.warning("a step command cannot be read", topic=letter.topic, offset=letter.offset, reason=letter.reason)
        await bury(self._appender, letter)

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
            _end_within(FATAL_END_S, 1)

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
        _end_within(self._settings.drain_s + END_S, 0)


def _end_within(seconds: float, code: int) -> None:
    """The last word, whatever a part still waits for: a broker that is away, most of the time."""

    def end() -> None:
        log.warning("ending without a farewell", after_s=seconds)
        sys.stderr.flush()
        os._exit(code)

    asyncio.get_running_loop().call_later(seconds, end)


async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
