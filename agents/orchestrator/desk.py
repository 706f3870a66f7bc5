"""What run units ask of their orchestrator: state and facts, appending, waiting for lanes, alarms."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from elexirion.agents.decide import BATCH, Facts, number
from elexirion.agents.dispatch import Placement, has_worker
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.errors import AppendUnknownError
from elexirion.agents.orchestrator.answering import RunPlans
from elexirion.agents.orchestrator.child_runs import start_child
from elexirion.agents.orchestrator.losses import lost_of
from elexirion.agents.orchestrator.open_executions import OpenExecutions
from elexirion.agents.orchestrator.partitions import Owned, Partitions, deciding
from elexirion.agents.orchestrator.run_supervisor import RunSupervisor
from elexirion.agents.orchestrator.session_log import SessionLog
from elexirion.agents.orchestrator.session_writer import SessionWriter
from elexirion.agents.orchestrator.successor import successor_record
from elexirion.agents.orchestrator.unread import Unread
from elexirion.agents.orchestrator.waiting import LaneQueues
from elexirion.agents.settings import Settings
from elexirion.events import run
from elexirion.events.envelope import Record, utc_now
from elexirion.events.partitioner import partition_of
from elexirion.events.values import Value
from elexirion.projections.fleet import Fleet
from elexirion.projections.run_state import RunState

log = structlog.get_logger(__name__)

SETTLED_SOON = timedelta(milliseconds=30)
"""A session on another partition takes what is said to it within so much time, give or take."""


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
        self._load = load
        self._settings = settings
        self._appender = appender
        self._own = incarnation
        self._partitions = partitions
        self._index = index
        self._fleet = fleet
        self._queues = LaneQueues()
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._sent: set[str] = set()
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

    def state(self, run_id: str) -> RunState | None:
        """The folded state of a run that is ours to decide."""
        owned = self.owned(run_id)
        return owned.fold.runs.get(run_id) if owned else None

    def busy(self, run_id: str) -> bool:
        """Whether an own decision of the run is unread."""
        return self.unread.waiting(run_id)

    def facts(self, state: RunState | None, most: int = BATCH) -> Facts:
        """What is known outside the log, now."""
        fleet, lease_s = self._fleet(), self._settings.lease_s
        following = state.successor.command_id if state and state.successor else None
        return Facts(
            now=utc_now(), author=self._own, placement=self._placement(), most=most, jitter=random.random(),
            lost=lost_of(fleet, self._index, state, lease_s, self._own) if state else {},
            sent=frozenset({following} if following in self._sent else ()),
        )  # fmt: skip

    def _placement(self) -> Placement:
        fleet, lease_s = self._fleet(), self._settings.lease_s
        bare = Placement(fleet, lease_s, self._index.taken)
        fallback = {lane: self._own for lane in self._queues.known() if self._local(bare, lane)}
        return Placement(fleet, lease_s, self._index.taken, fallback, BATCH)

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
        self.unread.mark(run_id, {record.id for record in records})
        try:
            for record in records:
                await self._appender.event(record)
        except AppendUnknownError as problem:
            log.warning("a decision may not be in the log; it is looked for", run_id=run_id, problem=str(problem))

    async def start_others(self, state: RunState) -> bool:
        """Publish the StartRun of the chain's next run and of each child, once in this life, and what it shares."""
        if not await self.sessions.settle(state):
            self.alarm(state.run_id, utc_now() + SETTLED_SOON)
            return False
        asked = [successor_record(state)] if state.successor else []
        for child in state.children.values():
            if child.command_id not in self._sent:
                asked.append(start_child(state, child, await self._load(child.pipeline)))
        return all([await self._send(state.run_id, record) for record in asked])

    async def _send(self, run_id: str, record: Record) -> bool:
        """Publish a command once in this life; whether it is acknowledged."""
        if record.id not in self._sent:
            if not await self.command(record):
                self.alarm(run_id, utc_now())
                return False
            self._sent.add(record.id)
        return True

    async def command(self, record: Record) -> bool:
        """Publish a command; whether it is acknowledged."""
        try:
            sent = await self._appender.keyed(self._appender.topics.commands, record)
            await self._appender.acknowledged(sent, self._settings.read_back_timeout_s)
        except AppendUnknownError:
            return False
        return True

    async def _quarantine(self, run_id: str, reason: BaseException) -> None:
        state = self.state(run_id)
        if state is None or self.busy(run_id) or not await self.sessions.publish(state):
            return
        said = f"working on the run crashed again and again: {type(reason).__name__}: {reason}"
        data = run.RunQuarantined(reason=said, crashes=4, context_hash="")
        await self.append(run_id, [number(state, data, self.facts(state))])

    # -- waking

    def wake(self, run_id: str) -> None:
        """Something changed for the run; nothing happens where it is not ours."""
        if self.state(run_id) is not None:
            self.runs.wake(run_id)

    def most(self, run_id: str, lanes: set[str]) -> int:
        """One placement while others wait for the same lanes."""
        return 1 if self._queues.others(run_id, lanes) else BATCH

    def wait_for_lanes(self, run_id: str, lanes: set[str]) -> None:
        """Queue the run; it is woken by a free slot, a new worker, or the dispatch timeout."""
        self._queues.wait(run_id, lanes)

    def wake_waiting(self, lane: str, count: int = BATCH) -> None:
        """A lane may have room: wake up to `count` runs that wait for it."""
        for run_id in self._queues.first(lane, count):
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
            self._alarms[run_id] = asyncio.get_running_loop().call_later(wait_s, self.wake, run_id)

    def retire(self, state: RunState | None, run_id: str) -> None:
        """The run ended, or is no longer ours."""
        self.runs.discard(run_id)
        self._queues.leave(run_id)
        self.alarm(run_id, None)
        if state and state.successor:
            self._sent.discard(state.successor.command_id)
        for child in state.children.values() if state else ():
            self._sent.discard(child.command_id)
        if state:
            self.sessions.forget(state)
