"""What a run's records say, noted down plainly: the checker's own account, made without the fold it checks."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from elexirion.events import run, step
from elexirion.events.canonical import canonical_json
from elexirion.events.catalog import DECISION_NAMES, TERMINAL_NAMES
from elexirion.events.identifiers import ExecutionId
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.schedule import ScheduleFired
from elexirion.projections.admission import closes_an_execution
from elexirion.projections.history.records import Seen, Written


@dataclass(slots=True)
class Execution:
    """An execution whose StepScheduled counts; `chunks` and `text_sha256` are what its `result` says of its text."""

    step: str
    incarnation: str
    attempt: int
    scheduled_at: datetime
    fallback: str | None = None
    started_at: datetime | None = None
    closed: str | None = None
    called: bool = False
    chunks: int | None = None
    text_sha256: str | None = None
    result: Written | None = None

    def note(self, seen: Seen) -> None:
        """A record about it counts."""
        match seen.record.data:
            case step.StepStarted():
                self.started_at = self.started_at or seen.written.at
            case ProviderRequested():
                self.called = True
            case step.StepCompleted() as data:
                self.chunks, self.text_sha256, self.result = data.chunks, data.text_sha256, seen.written.place()
        if closes_an_execution(seen.record):
            self.closed = seen.record.type


@dataclass(slots=True)
class StepHistory:
    """A step: its newest execution, how many there were, and the record that gave it its result."""

    newest: str | None = None
    executions: int = 0
    result: str | None = None


@dataclass(slots=True)
class RunHistory:
    """A run. `written` has a digest of each record by its id, `begun` the times at which an execution or a call
    began, by the id of the report that says so; `asked` and `answered` are call ids."""

    run_id: str
    started: bool = False
    schedule: bool = False
    fired: list[tuple[datetime, str]] = field(default_factory=list)
    ended: str | None = None
    seq: int = 0
    last: str | None = None
    decisions: set[str] = field(default_factory=set)
    written: dict[str, bytes] = field(default_factory=dict)
    scheduled: set[str] = field(default_factory=set)
    executions: dict[str, Execution] = field(default_factory=dict)
    steps: dict[str, StepHistory] = field(default_factory=dict)
    begun: dict[str, datetime] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    def execution_of(self, seen: Seen) -> Execution | None:
        """The execution that a report is about, where its StepScheduled counts."""
        data = seen.record.data
        return self.executions.get(data.execution_id) if isinstance(data, step.Report) else None

    def note(self, seen: Seen) -> None:
        """Take the record into the account, after it was judged."""
        record = seen.record
        self.written.setdefault(record.id, digest_of(seen))
        if record.type in DECISION_NAMES:
            self.decisions.add(record.id)
        if isinstance(record.data, step.StepStarted | ProviderRequested):
            self.begun.setdefault(record.id, record.at)
        match record.data:
            case step.StepScheduled():
                self.scheduled.add(record.data.execution_id)
            case ProviderRequested():
                self.asked.add(record.data.call_id)
            case ProviderResponded() if record.data.failure is None and not record.offline:
                self.answered.add(record.data.call_id)
            case _:
                pass
        if seen.accepted:
            self._note_counted(seen)

    def _note_counted(self, seen: Seen) -> None:
        record = seen.record
        if record.type in DECISION_NAMES:
            self.seq, self.last = self.seq + 1, record.id
        if record.type in TERMINAL_NAMES:
            self.ended = record.type
        self._note_data(seen)
        path = result_of(record.data)
        if path is not None:
            self._step(path).result = record.id

    def _note_data(self, seen: Seen) -> None:
        match seen.record.data:
            case run.RunStarted():
                self.started, self.schedule = True, seen.record.data.schedule is not None
            case ScheduleFired() as data:
                self.fired.append((data.due_at, data.fired_run_id))
            case step.StepScheduled() as data:
                known = self._step(data.step)
                known.newest, known.executions = data.execution_id, known.executions + 1
                opened = Execution(data.step, data.incarnation, data.attempt, seen.written.at, data.fallback)
                self.executions[data.execution_id] = opened
            case step.Report() | step.StepTimedOut() | step.StepOrphaned() as data if (
                data.execution_id in self.executions
            ):
                self.executions[data.execution_id].note(seen)
            case _:
                return

    def _step(self, path: str) -> StepHistory:
        return self.steps.setdefault(path, StepHistory())


def result_of(data: object) -> str | None:
    """The path of the step whose result such a record is, where it is one."""
    match data:
        case step.StepCompleted():
            return ExecutionId.parse(data.execution_id).step
        case step.StepConcluded() | run.VariablesSet():
            return data.step
        case run.ChildRunEnded(status="completed"):
            return data.step
        case _:
            return None


def digest_of(seen: Seen) -> bytes:
    """Sixteen bytes that tell whether two records say the same, at whatever time; if too deep, byte for byte."""
    try:
        said = canonical_json([seen.record.type, seen.record.raw])
    except TypeError:
        said = seen.written.value or b""
    return hashlib.blake2b(said, digest_size=16).digest()
