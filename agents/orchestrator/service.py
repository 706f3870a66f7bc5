"""The orchestrator: tails the log, folds it, wakes the runs it owns, and does what the fold's verdicts ask for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka import payloads
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.dead_letters import bury
from elexirion.agents.kafka.reading import PartitionReader
from elexirion.agents.kafka.topic_admin import widen_lane
from elexirion.agents.orchestrator import follow as log_follow
from elexirion.agents.orchestrator.answering import RunPlans
from elexirion.agents.orchestrator.command_desk import StartChecker
from elexirion.agents.orchestrator.command_duty import CommandDuty
from elexirion.agents.orchestrator.desk import RunDesk
from elexirion.agents.orchestrator.dispatcher import Dispatcher
from elexirion.agents.orchestrator.fleet_duty import FleetDuty
from elexirion.agents.orchestrator.fleet_watch import FleetWatch
from elexirion.agents.orchestrator.follow import Followed
from elexirion.agents.orchestrator.fork_duty import SMALL_BYTES, ForkDuty
from elexirion.agents.orchestrator.fork_starts import ForkStarts
from elexirion.agents.orchestrator.kin import Kin
from elexirion.agents.orchestrator.lane_width import LaneWidth
from elexirion.agents.orchestrator.open_executions import OpenExecutions
from elexirion.agents.orchestrator.partitions import Change, Owned, Partitions
from elexirion.agents.orchestrator.passing_on import passed_on
from elexirion.agents.orchestrator.reading_on import settled
from elexirion.agents.orchestrator.session_log import SessionLog
from elexirion.agents.orchestrator.snapshot_writer import SnapshotWriter
from elexirion.agents.settings import Settings
from elexirion.agents.telemetry.followed_log import FollowedLog
from elexirion.events import step
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.events.partitioner import partition_of
from elexirion.events.values import Value
from elexirion.events.worker import WorkerHeartbeat
from elexirion.projections.run_state import RunState

log = structlog.get_logger(__name__)

PROGRESS = frozenset({"StepStarted", "ProviderRequested", "ProviderResponded", "ToolCalled", "ToolReturned"})
"""Reports after which there is nothing new to decide; their runs are not woken."""

MISSED_BEATS = 3
LOOK_AT_WIDTH_S = 2.0
AT_ONCE = 50
"""So many records are folded in a row; partitions that are read to their end are decided meanwhile."""
MIN_BEAT_S = 0.5


class Orchestrator:
    """Decides for the runs of the partitions it owns."""

    def __init__(
        self,
        settings: Settings,
        address: KafkaAddress,
        appender: Appender,
        incarnation: str,
        plans: RunPlans,
        checker: StartChecker,
        local_accept: Callable[[Record], None],
        local_cancel: Callable[[str], None],
        load: Callable[[Value], Awaitable[Any]],
        sessions: SessionLog,
    ) -> None:
        self._settings = settings
        self._appender = appender
        self._index = OpenExecutions()
        self._own: asyncio.Queue[tuple[Record, RecordMetadata]] = asyncio.Queue()
        self._partitions = Partitions(
            address, appender.topics, settings.group_session_timeout_s, settings.events_partitions,
            lambda *found: self._snapshots.found(*found),
        )  # fmt: skip
        self._snapshots = SnapshotWriter(
            appender, self._partitions.owned, settings.snapshot_records, settings.snapshot_s
        )  # fmt: skip
        self.followed = FollowedLog(self._partitions.owned)
        gap_s = MISSED_BEATS * max(settings.heartbeat_interval_s, MIN_BEAT_S)
        self._watch = FleetWatch(address, appender.topics.workers, incarnation, gap_s, self._heard, self._ticked)
        self._dispatcher = Dispatcher(
            appender, self._index, lambda: self._watch.fleet, incarnation, local_accept, local_cancel
        )
        self._desk = RunDesk(
            settings, appender, incarnation, plans, self._partitions, self._index, lambda: self._watch.fleet, load,
            sessions,
        )  # fmt: skip
        sessions.look_first_in(self._partitions.owned)
        self._kin = Kin(self._desk.command)
        self._fork_starts = ForkStarts(load, self._desk.command)
        self._forks = ForkDuty(
            self._desk, checker, plans, PartitionReader(address, appender.topics.events), settings.events_partitions,
            partial(payloads.store, appender, limit_bytes=2 * SMALL_BYTES),
        )  # fmt: skip
        self._command_duty = CommandDuty(self._desk, checker, plans, self._partitions, self._forks.takes)
        self._duty = FleetDuty(self._desk, self._dispatcher, self._index, settings.lease_s, incarnation)
        self._width = LaneWidth(
            lambda lane, count: widen_lane(address, appender.topics.steps(lane), count), settings.lease_s
        )

    async def start(self) -> None:
        """Learn the fleet, join the group."""
        await self._watch.start()
        await self._partitions.start()
        self._appender.acknowledged_event = self._acknowledged

    async def stop(self) -> None:
        """Leave the group; others take over at once."""
        await self._partitions.stop()
        await self._forks.stop()
        await self._desk.stop()
        await self._watch.stop()

    async def pass_on(self, released: Sequence[str]) -> None:
        """Wait until these executions, which this process gave back, are given to others as far as it decides."""
        await passed_on(released, self._desk.state, self._index)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async with self._partitions.given_up_at_once(), asyncio.TaskGroup() as group:
            group.create_task(self._tail(), name="log tail")
            group.create_task(self._take_acknowledged(), name="acknowledged decisions")
            group.create_task(self._command_duty.run(), name="commands")
            group.create_task(self._watch.run(), name="fleet")
            group.create_task(self._kin.run(), name="parents and children")
            group.create_task(self._fork_starts.run(), name="runs that take results")
            group.create_task(self._snapshots.run(), name="snapshots")
            group.create_task(self._keep_width(), name="lane width")

    # -- following the log ---------------------------------------------------------------------------------

    async def _tail(self) -> None:
        while True:
            try:
                batches = await self._partitions.read(timeout_ms=200)
            except KafkaError as error:
                log.warning("the log cannot be read, trying again", error=repr(error))
                await asyncio.sleep(0.5)
                continue
            self._adopt(self._partitions.changes())
            for partition, messages in batches.items():
                await self._take_all(partition, messages)
            for partition in self._partitions.caught_up_now():
                self._take_over(partition)
            if batches:
                await settled(self._desk.unread)

    async def _take_all(self, partition: int, messages: list[Any]) -> None:
        owned = self._partitions.owned.get(partition)
        if owned is None:
            return
        for number, message in enumerate(messages):
            if message.offset >= owned.fold.next_offset:
                await self._take(owned, log_follow.follow(owned.fold, message))
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)

    def _acknowledged(self, record: Record, sent: "asyncio.Future[RecordMetadata]") -> None:
        if not sent.cancelled() and sent.exception() is None:
            self._own.put_nowait((record, sent.result()))

    async def _take_acknowledged(self) -> None:
        """A record of this process whose acknowledged offset is the very next one to read needs no fetch.

        All before it is folded and its place is certain, so this reads the same bytes at the same offset, sooner
        (docs/adr/0008-read-back-by-acknowledgement.md). The tail passes over what was read here.
        """
        while True:
            record, place = await self._own.get()
            owned = self._partitions.owned.get(place.partition)
            if owned is not None and owned.caught_up and owned.fold.next_offset == place.offset:
                await self._take(owned, log_follow.follow_own(owned.fold, record, place))

    async def _take(self, owned: Owned, followed: Followed | DeadLetter) -> None:
        self.followed.tell(owned, followed)
        if isinstance(followed, DeadLetter):
            await self._bury(owned, followed)
            return
        record = followed.record
        ours = self._desk.unread.read_back(record.run_id, record.id)
        if not owned.caught_up:
            return
        if owned.fold.pending and (ours or log_follow.is_new_command(followed)):
            self._command_duty.due(owned.fold.partition)
        await self._follow_up(owned, followed, ours)
        broken = owned.fold.broken.get(record.run_id)
        if broken is not None and record.run_id in owned.fold.runs:
            self._desk.runs.set_aside(record.run_id, broken)
        elif record.type not in PROGRESS and record.run_id in owned.fold.runs:
            self._wake(followed, ours)

    def _wake(self, followed: Followed, ours: bool) -> None:
        """The run decides again; after a placement of our own all else was decided with it, but for its times.

        While more of our own decisions about it are on their way, it could decide nothing: the last of them wakes it.
        """
        if ours and self._desk.busy(followed.record.run_id):
            return
        if ours and followed.accepted and isinstance(followed.record.data, step.StepScheduled):
            self._desk.runs.wake_soon(followed.record.run_id)
        else:
            self._desk.runs.wake(followed.record.run_id)

    async def _bury(self, owned: Owned, letter: DeadLetter) -> None:
        """Whoever reads it live buries it; who reads it again while catching up does not bury it twice."""
        log.warning("a record of the log cannot be read", offset=letter.offset, reason=letter.reason)
        if owned.caught_up:
            await bury(self._appender, letter)

    async def _follow_up(self, owned: Owned, followed: Followed, ours: bool) -> None:
        """What an accepted record asks for: dispatch, recall, free slots."""
        data, run_id = followed.record.data, followed.record.run_id
        opened = log_follow.opened(followed)
        if opened:
            await self._opened(owned.fold.runs[run_id], opened, ours)
        elif followed.accepted and isinstance(data, step.StepStarted):
            self._started(data.execution_id)
        elif followed.accepted and isinstance(data, step.StepDeclined):
            self._watch.declined(data.incarnation)
        for execution_id in log_follow.closed(followed):
            await self._closed(execution_id, recall=log_follow.recalled(followed))
        misrouted = log_follow.misrouted(followed)
        if misrouted and followed.before:
            await self._dispatcher.dispatch(followed.before, misrouted)
        self._kin.after(followed, owned.fold)
        self._fork_starts.after(followed)
        if followed.accepted and followed.record.type in TERMINAL_NAMES:
            self._desk.retire(followed.before, run_id)
        elif log_follow.held(followed):
            self._hold(followed)

    def _hold(self, followed: Followed) -> None:
        """A newer program went on with the run: nothing is decided for it here any more."""
        record = followed.record
        log.warning("a newer program wrote of this run; it is left to one", run_id=record.run_id, type=record.type,
                    version=record.version)  # fmt: skip
        self._index.drop_runs({record.run_id})
        self._desk.retire(followed.before, record.run_id)

    async def _opened(self, state: RunState, data: step.StepScheduled, ours: bool) -> None:
        self._index.open(data.execution_id, state.run_id, data.lane, data.incarnation)
        self._watch.expect(data.incarnation)
        if ours:
            await self._dispatcher.dispatch(state, data.execution_id)

    def _started(self, execution_id: str) -> None:
        known = self._index.get(execution_id)
        if known:
            known.started_clock = self._watch.fleet.clock

    async def _closed(self, execution_id: str, *, recall: bool) -> None:
        closed = self._index.close(execution_id)
        if closed is None:
            return
        if recall:
            await self._dispatcher.cancel(closed.id, closed.run_id, closed.lane, closed.incarnation)
        self._desk.wake_waiting(closed.lane)

    # -- partitions ----------------------------------------------------------------------------------------

    def _adopt(self, change: Change) -> None:
        if change.lost:
            self._let_go(change.lost)
        if change.gained:
            log.info("partitions gained", partitions=sorted(change.gained))

    def _take_over(self, partition: int) -> None:
        """The partition is read to its end: go on with every open run and every open command."""
        owned = self._partitions.owned[partition]
        fold = owned.fold
        log.info("deciding", partition=partition, open_runs=len(fold.runs), open_commands=len(fold.pending),
                 records_read=fold.next_offset - owned.begun)  # fmt: skip
        for state in fold.runs.values():
            self._index.add_run(state)
            for execution in state.open_executions():
                self._watch.expect(execution.incarnation)
            if state.run_id in fold.broken:
                self._desk.runs.set_aside(state.run_id, fold.broken[state.run_id])
            else:
                self._desk.runs.wake(state.run_id)
        self._kin.take_over(fold)
        self._fork_starts.take_over(fold)
        self._command_duty.due(partition)

    def _let_go(self, partitions: set[int]) -> None:
        log.info("partitions lost", partitions=sorted(partitions))
        count = self._settings.events_partitions
        mine = {e.run_id for i in self._index.incarnations() for e in self._index.of(i)} | set(self._desk.runs.ids())
        gone = {run_id for run_id in mine if partition_of(run_id, count) in partitions}
        self._index.drop_runs(gone)
        for run_id in gone:
            self._desk.retire(None, run_id)

    # -- the fleet -----------------------------------------------------------------------------------------

    def _heard(self, data: WorkerHeartbeat) -> None:
        self._duty.heard(data)

    async def _keep_width(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_WIDTH_S)
            await self._width.look(self._watch.fleet)

    def _ticked(self) -> None:
        """The lease clock advanced."""
        for incarnation in self._index.incarnations():
            self._watch.expect(incarnation)
        for run_id in self._duty.look(self._watch.fleet):
            self._command_duty.due(partition_of(run_id, self._settings.events_partitions))
        self._watch.forget(frozenset(self._index.incarnations()))
