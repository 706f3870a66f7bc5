"""What run units ask of their orchestrator: state and facts, appending, waiting for lanes, alarms."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from elexirion.agents import failpoints
from elexirion.agents.decide import BATCH, Facts, number
from elexirion.agents.dispatch import Placement, free_slots, has_worker
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.errors import AppendUnknownError
from elexirion.agents.orchestrator.answering import RunPlans
from elexirion.agents.orchestrator.losses import lost_of
from elexirion.agents.orchestrator.open_executions import OpenExecutions
from elexirion.agents.orchestrator.other_runs import OtherRuns
from elexirion.agents.orchestrator.partitions import Owned, Partitions, deciding
from elexirion.agents.orchestrator.run_supervisor import GivenUp, RunSupervisor
from elexirion.agents.orchestrator.session_log import SessionLog
from elexirion.agents.orchestrator.session_writer import SessionWriter
from elexirion.agents.orchestrator.unread import Unread
from elexirion.agents.orchestrator.waiting import LaneQueues
from elexirion.agents.settings import Settings
from elexirion.events import run, step
from elexirion.events.envelope import Record, utc_now
from elexirion.events.partitioner import partition_of
from elexirion.events.values import Value
from elexirion.projections.fleet import Fleet
from elexirion.projections.run_state import RunState

log = structlog.get_logger(__name__)

SETTLED_SOON = timedelta(milliseconds=30)
"""A session on another partition takes what is said to it within so much time, give or take."""

LOOK_AGAIN_S = 60.0
"""A far alarm looks at the clock so often: the loop's time stands still while the machine sleeps."""

QUARANTINE_AGAIN = timedelta(seconds=1)


class RunDesk:
    """The Desk of all run units of an orchestrator; it also keeps who waits for what."""

    def __init__(
        self,
        settings: Settings,
        appender: Appender,
        incarnation: str,
        plans: RunPlans,
        partitions: Partitions,
        index: OpenExecutions,
        fleet: Callable[[], Fleet],
        load: Callable[[Value], Awaitable[Any]],
        sessions: SessionLog,
    ) -> None:
        self._settings = settings
        self._appender = appender
        self._own = incarnation
        self._partitions = partitions
        self._index = index
        self._fleet = fleet
        self._queues = LaneQueues()
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._others = OtherRuns(self.command, load)
        self.sessions = SessionWriter(plans, self.command, sessions)
        self.unread = Unread(settings.read_back_timeout_s)
        self.runs = RunSupervisor(self, plans, self._quarantine)

    async def stop(self) -> None:
        """Stop all units and alarms."""
        for handle in self._alarms.values():
            handle.cancel()
        await self.runs.stop()

    # -- state and facts

    def owned(self, run_id: str) -> Owned | None:
        """The run's partition, where it is ours and read to its end."""
        return deciding(self._partitions.owned, partition_of(run_id, self._settings.events_partitions))

    def belongs(self, run_id: str, partition: int) -> bool:
        """Whether what is written of the run lies on this partition, and nowhere else."""
        return partition_of(run_id, self._settings.events_partitions) == partition

    def state(self, run_id: str) -> RunState | None:
        """The folded state of a run that is ours to decide."""
        owned = self.owned(run_id)
        return owned.fold.runs.get(run_id) if owned else None

    def busy(self, run_id: str) -> bool:
        """Whether an own decision of the run is unread."""
        return self.unread.waiting(run_id)

    def facts(self, state: RunState | None) -> Facts:
        """What is known outside the log, now."""
        fleet, lease_s = self._fleet(), self._settings.lease_s
        return Facts(
            now=utc_now(), author=self._own, placement=self._placement(), jitter=random.random(),
            lost=lost_of(fleet, self._index, state, lease_s, self._own) if state else {},
            sent=self._sent(state) if state else frozenset(),
        )  # fmt: skip

    def _sent(self, state: RunState) -> frozenset[str]:
        following = state.successor.command_id if state.successor else None
        known = following is not None and self._others.has_said(state.run_id, following)
        return frozenset({following} if known and following else ())

    def _placement(self) -> Placement:
        fleet, lease_s = self._fleet(), self._settings.lease_s
        taken = self._index.taken + self.unread.placed if self.unread.placed else self._index.taken
        bare = Placement(fleet, lease_s, taken)
        fallback = {lane: self._own for lane in self._queues.known() if self._local(bare, lane)}
        return Placement(fleet, lease_s, taken, fallback, BATCH)

    def _local(self, placement: Placement, lane: str) -> bool:
        own = placement.fleet.members.get(self._own)
        if own is None or own.draining:
            return False
        deserted = self._queues.deserted(lane, now_served=has_worker(placement, lane))
        return self._settings.local_fallback and deserted >= self._settings.dispatch_timeout_s

    # -- appending

    async def propose(self, state: RunState, records: list[Record]) -> None:
        """Append decisions; nothing more is decided for the run until they are read back."""
        await self.append(state.run_id, records)

    async def append(self, run_id: str, records: list[Record]) -> None:
        """Append records about a run, which may not exist yet, and wait for none."""
        failpoints.hit("decision.unsent", run_id)
        self.unread.mark(run_id, {record.id for record in records}, _places(records))
        try:
            for record in records:
                await self._appender.event(record)
                failpoints.hit("decision.sent", run_id)
        except AppendUnknownError as problem:
            log.warning("a decision may not be in the log; it is looked for", run_id=run_id, problem=str(problem))

    async def start_others(self, state: RunState) -> bool:
        """Publish what the run shares, and the commands that other runs get from it; whether all that is done."""
        if not await self.sessions.settle(state):
            self.alarm(state.run_id, utc_now() + SETTLED_SOON)
            return False
        told = await self._others.tell(state)
        if not told:
            self.alarm(state.run_id, utc_now())
        return told

    async def command(self, record: Record) -> bool:
        """Publish a command; whether it is acknowledged."""
        try:
            sent = await self._appender.keyed(self._appender.topics.commands, record)
            await self._appender.acknowledged(sent, self._settings.read_back_timeout_s)
        except AppendUnknownError:
            return False
        return True

    async def _quarantine(self, run_id: str, given_up: GivenUp) -> None:
        """Decided again and again until it counts: the run has no unit any more that would look."""
        state = self.state(run_id)
        if state is None:
            return
        self.alarm(run_id, utc_now() + QUARANTINE_AGAIN)
        if self.busy(run_id) or not await self.sessions.publish(state):
            return
        data = run.RunQuarantined(reason=given_up.reason, crashes=given_up.crashes, context_hash="")
        await self.append(run_id, [number(state, data, self.facts(state))])

    # -- waking

    def wake(self, run_id: str) -> None:
        """Something changed for the run; nothing happens where it is not ours."""
        if self.state(run_id) is not None:
            self.runs.wake(run_id)

    def most(self, run_id: str, lanes: set[str]) -> dict[str, int]:
        """While others wait for a lane, a run places as much on it as it was granted."""
        return self._queues.most(run_id, lanes)

    def decided(self, state: RunState, lanes: set[str], records: list[Record]) -> None:
        """The run waits for the lanes on which it has steps to begin and found no room; others get what it left."""
        if self.state(state.run_id) is None:
            return
        placed = Counter(lane for _, lane in _places(records).values())
        for lane in self._queues.decided(state.run_id, state.priority, lanes, placed):
            self.wake_waiting(lane)

    def wake_waiting(self, lane: str) -> None:
        """A lane may have room: its free slots are granted to runs that wait for it."""
        if lane in self._queues.lanes():
            for run_id in self._queues.grant(lane, free_slots(self._placement(), lane)):
                self.wake(run_id)

    def waiting_lanes(self) -> list[str]:
        """Lanes for which runs wait."""
        return self._queues.lanes()

    def alarm(self, run_id: str, due_at: datetime | None) -> None:
        """Wake the run at this time; the alarm before it is off."""
        before = self._alarms.pop(run_id, None)
        if before:
            before.cancel()
        if due_at is not None:
            wait_s = max(0.01, (due_at - utc_now()).total_seconds())
            loop = asyncio.get_running_loop()
            if wait_s > LOOK_AGAIN_S:
                self._alarms[run_id] = loop.call_later(LOOK_AGAIN_S, self.alarm, run_id, due_at)
            else:
                self._alarms[run_id] = loop.call_later(wait_s, self.wake, run_id)

    def retire(self, state: RunState | None, run_id: str) -> None:
        """The run ended, or is no longer ours."""
        self.runs.discard(run_id)
        self._queues.leave(run_id)
        self.alarm(run_id, None)
        self._others.forget(run_id)
        if state:
            self.sessions.forget(state)


def _places(records: list[Record]) -> dict[str, tuple[str, str]]:
    """Incarnation and lane of each execution that these decisions place, by the id of its record."""
    scheduled = [(record.id, record.data) for record in records]
    return {id: (data.incarnation, data.lane) for id, data in scheduled if isinstance(data, step.StepScheduled)}
