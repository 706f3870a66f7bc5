"""The fold of one partition of `events`: its runs, its commands, and what has ended.

The state is bounded by recorded times only (the latest broker timestamp read so far), so that two readers always
agree and no writer's clock decides what is forgotten.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from elexirion.events import run
from elexirion.events.canonical import canonical_json
from elexirion.events.commands import ChildEnded, Parent
from elexirion.events.envelope import Record, UnknownData
from elexirion.events.failure import Failure
from elexirion.events.identifiers import firing_stamp
from elexirion.events.schedule import FiredBy
from elexirion.projections.admission import Refusal, from_newer_writer, refusal
from elexirion.projections.evolve import begin, evolve
from elexirion.projections.run_state import RunState
from pydantic import ValidationError

EPOCH = datetime.fromtimestamp(0, UTC)

LEVELS_AROUND = 20
"""More levels than anything puts around a command."""

MEMORY = timedelta(days=7, hours=1)
"""How long command ids and ended runs are remembered: the retention of `commands` plus skew."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The record counts; `position` is its number within its run (0 for records that are not of a run)."""

    position: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The record has no effect."""

    reason: Refusal


Verdict: TypeAlias = Accepted | Refused


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A command in the log that has no outcome yet. `conflicts`: its id was used with other content."""

    run_id: str
    record: Record
    received: run.CommandReceived
    conflicts: bool


@dataclass(frozen=True, slots=True)
class EndedRun:
    """What is remembered of a run after its terminal event, or of a child that was refused; `ended_at` is broker time.

    `open_children` are runs that it waited for and that are to be cancelled; `to_parent` is what its own parent,
    if it has one, is told whenever it asks.
    """

    run_id: str
    status: str
    context_hash: str | None
    ended_at: datetime
    open_children: tuple[str, ...] = ()
    to_parent: ChildEnded | None = None
    parent_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run that a newer program went on with: nothing is decided for it here. `held_at` is broker time."""

    run_id: str
    type: str
    version: int
    offset: int
    held_at: datetime


@dataclass(frozen=True, slots=True)
class ForkedRun:
    """A run that another one was asked to take results from; its StartRun is said again by whoever takes over."""

    run_id: str
    data: run.RunForked
    forked_at: datetime


@dataclass(slots=True)
class PartitionFold:
    """Holds the folded state; `apply` is its only way to change. `next_offset` is the next one to read.

    `broken` are runs of which a record raised in the fold, with the reason: each is to be quarantined alone.
    `last_offset` and `last_id` are place and id of the last record that could be read, `forgotten_…` the numbers of
    those dropped from the front of `commands` and `ended` so far.
    """

    partition: int
    next_offset: int = 0
    runs: dict[str, RunState] = field(default_factory=dict)
    ended: dict[str, EndedRun] = field(default_factory=dict)
    commands: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    pending: dict[str, PendingCommand] = field(default_factory=dict)
    held: dict[str, HeldRun] = field(default_factory=dict)
    forked: dict[str, ForkedRun] = field(default_factory=dict)
    latest: datetime = EPOCH
    refused: int = 0
    last_offset: int = -1
    last_id: str = ""
    forgotten_commands: int = 0
    forgotten_ended: int = 0
    broken: dict[str, str] = field(default_factory=dict)

    def apply(self, record: Record, offset: int, broker_at: datetime) -> Verdict:
        """Take one record in; total: an unexpected error in a fold is a refusal, and the run is `broken`."""
        self.next_offset, self.last_offset, self.last_id = offset + 1, offset, record.id
        self.latest = max(self.latest, broker_at)
        self._forget()
        try:
            verdict = self._apply(record)
        except Exception as error:  # noqa: BLE001  # a fold never takes its neighbours down
            verdict = Refused("fold_error")
            self.broken[record.run_id] = f"{record.type} at offset {offset} could not be folded: {type(error).__name__}"
        self.refused += isinstance(verdict, Refused)
        return verdict

    def _apply(self, record: Record) -> Verdict:
        match record.data:
            case run.CommandReceived():
                return self._received(record, record.data)
            case _ if record.run_id in self.held:
                return Refused("run_held")
            case UnknownData():
                return self._unknown(record)
            case run.CommandRejected():
                return self._rejected(record.data)
            case run.RunForked():
                return self._forked(record, record.data)
            case run.RunStarted():
                return self._start(record, record.data)
            case _:
                return self._evolve(record)

    def _unknown(self, record: Record) -> Verdict:
        """Of a newer program, which counts it, or of nobody: a run whose history is not understood is not decided."""
        run_id = record.run_id
        waits = any(command.run_id == run_id for command in self.pending.values())
        if run_id in self.ended or not from_newer_writer(self.runs.get(run_id), waits, record):
            return Refused("unknown_type")
        self.runs.pop(run_id, None)
        self.held[run_id] = HeldRun(run_id, record.type, record.version, self.last_offset, self.latest)
        return Refused("newer_version")

    def _received(self, record: Record, data: run.CommandReceived) -> Verdict:
        if not _can_be_kept(data.command):
            return Refused("unreadable")
        known = self.commands.get(data.command_id)
        if known is None:
            return self._remember(data.command_id, record, data, conflicts=False)
        if known[0] == data.content_hash:
            return Refused("duplicate_command")
        key = conflict_key(data.command_id, data.content_hash)
        if key in self.commands:
            return Refused("duplicate_command")
        return self._remember(key, record, data, conflicts=True)

    def _remember(self, key: str, record: Record, data: run.CommandReceived, *, conflicts: bool) -> Verdict:
        self.commands[key] = (data.content_hash, self.latest)
        self.pending[key] = PendingCommand(record.run_id, record, data, conflicts)
        return Accepted(0)

    def _rejected(self, data: run.CommandRejected) -> Verdict:
        for key in (data.command_id, conflict_key(data.command_id, data.content_hash)):
            waiting = self.pending.get(key)
            if waiting and waiting.received.content_hash == data.content_hash:
                del self.pending[key]
                self.broken.pop(waiting.run_id, None)
                self._refuse_child(waiting, data)
                return Accepted(0)
        return Refused("no_such_command")

    def _forked(self, record: Record, data: run.RunForked) -> Verdict:
        waiting = self.pending.get(data.command_id)
        if waiting is None or waiting.run_id != record.run_id or waiting.received.content_hash != data.content_hash:
            return Refused("no_such_command")
        del self.pending[data.command_id]
        self.forked[data.command_id] = ForkedRun(record.run_id, data, self.latest)
        return Accepted(0)

    def _refuse_child(self, command: PendingCommand, data: run.CommandRejected) -> None:
        """A child that cannot start has ended: its parent waits for it, and asks again."""
        asked_by = _asked_by(command.received)
        if asked_by is None or command.run_id in self.runs or command.run_id in self.ended:
            return
        failure = Failure(kind="invalid_request", message=f"the child run was refused: {data.reason}")
        told = ChildEnded(child_run_id=command.run_id, step=asked_by.step, status="failed", failure=failure)
        self.ended[command.run_id] = EndedRun(
            command.run_id, "refused", None, self.latest, to_parent=told, parent_run_id=asked_by.run_id
        )

    def _start(self, record: Record, data: run.RunStarted) -> Verdict:
        if record.run_id in self.runs or record.run_id in self.ended:
            return Refused("run_exists")
        waiting = self.pending.get(data.command_id)
        if waiting is None or waiting.run_id != record.run_id or waiting.received.content_hash != data.content_hash:
            return Refused("no_such_command")
        reason = refusal(None, record)
        if reason:
            return Refused(reason)
        self.runs[record.run_id] = begin(record)
        del self.pending[data.command_id]
        return Accepted(1)

    def _evolve(self, record: Record) -> Verdict:
        state = self.runs.get(record.run_id)
        if state is None and record.run_id in self.ended:
            return Refused("run_ended")
        reason = refusal(state, record)
        if reason or state is None:
            return Refused(reason or "no_run")
        command_id = carried_out(record.data)
        if command_id is not None and not self._waits(command_id, record.run_id):
            return Refused("no_such_command")
        after = evolve(state, record)
        if after.ended:
            self._end(after)
        else:
            self.runs[record.run_id] = after
        if command_id is not None:
            del self.pending[command_id]
        return Accepted(after.position)

    def decided(self, command_id: str) -> bool:
        """Whether the command was received, as far as is remembered, and has its outcome."""
        return command_id in self.commands and command_id not in self.pending

    def _waits(self, command_id: str, run_id: str) -> bool:
        waiting = self.pending.get(command_id)
        return waiting is not None and waiting.run_id == run_id

    def _end(self, state: RunState) -> None:
        asked_by = _waiting_for(state.parent, state.fired_by)
        ended = EndedRun(
            state.run_id, state.status, state.context_hash, self.latest,
            open_children=(*state.left_children, *(child.run_id for child in state.children.values())),
            to_parent=_to_parent(state), parent_run_id=asked_by.run_id if asked_by else None,
        )  # fmt: skip
        del self.runs[state.run_id]
        self.broken.pop(state.run_id, None)
        self.ended[state.run_id] = ended

    def _forget(self) -> None:
        """Drop what is older than MEMORY. `latest` never falls: insertion order is time order, and this stops early."""
        limit = self.latest - MEMORY
        while self.forked and next(iter(self.forked.values())).forked_at < limit:
            del self.forked[next(iter(self.forked))]
        while self.ended and next(iter(self.ended.values())).ended_at < limit:
            del self.ended[next(iter(self.ended))]
            self.forgotten_ended += 1
        while self.commands and next(iter(self.commands.values()))[1] < limit:
            del self.commands[next(iter(self.commands))]
            self.forgotten_commands += 1
        while self.held and next(iter(self.held.values())).held_at < limit:
            del self.held[next(iter(self.held))]


def _can_be_kept(command: dict[str, Any]) -> bool:
    """Whether records and snapshots can hold the command: JSON is read to 1,024 levels, and written to 254.

    Forwarders pass on no command that is half as deep; only what somebody wrote to the log by hand is.
    """
    inside: object = command
    for _ in range(LEVELS_AROUND):
        inside = [inside]
    try:
        canonical_json(inside)
    except TypeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _AskedBy:
    """The run that waits for the end of another one, and for what of it."""

    run_id: str
    step: str


def _waiting_for(parent: Parent | None, fired_by: FiredBy | None) -> _AskedBy | None:
    if parent is not None:
        return _AskedBy(parent.run_id, parent.step)
    return _AskedBy(fired_by.schedule_id, firing_stamp(fired_by.due_at)) if fired_by is not None else None


def _asked_by(received: run.CommandReceived) -> _AskedBy | None:
    if received.command_type != "StartRun":
        return None
    try:
        parent, fired_by = received.command.get("parent"), received.command.get("fired_by")
        return _waiting_for(
            Parent.model_validate(parent) if parent else None, FiredBy.model_validate(fired_by) if fired_by else None
        )
    except ValidationError:
        return None


def _to_parent(state: RunState) -> ChildEnded | None:
    asked_by = _waiting_for(state.parent, state.fired_by)
    if asked_by is None:
        return None
    assert state.status not in ("running", "paused")
    return ChildEnded(
        child_run_id=state.run_id, step=asked_by.step, status=state.status,
        result=state.result if state.parent else None, failure=state.failure, usage=state.usage,
        cost_usd=state.cost_usd,
    )  # fmt: skip


def carried_out(data: object) -> str | None:
    """The command whose one outcome this decision is; it counts only while that command waits for one."""
    match data:
        case run.RunCancelled() | run.RunPaused() | run.RunResumed() | run.SignalReceived() | run.ChildRunEnded():
            return data.command_id
        case run.RunForked():
            return data.command_id
        case _:
            return None


def conflict_key(command_id: str, content: str) -> str:
    """How a second command under a used id is remembered."""
    return f"{command_id}~{content[:16]}"
