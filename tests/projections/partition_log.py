"""A log of one partition, written record by record as orchestrators and workers would write it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from elexirion.events import commands, run, step
from elexirion.events.canonical import content_hash
from elexirion.events.codec import decode, encode
from elexirion.events.envelope import Record, make_decision, make_record
from elexirion.events.failure import Failure, FailureKind
from elexirion.events.record_model import RecordModel
from elexirion.events.usage import Usage
from elexirion.events.values import Inline
from elexirion.projections.admission import Refusal
from elexirion.projections.context import hash_after
from elexirion.projections.partition import PartitionFold, Refused
from elexirion.projections.run_fold import RunFold
from elexirion.projections.run_state import RunState

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = "run-1"
WORKER = "w1.aaaa"
AUTHOR = "o1.bbbb"
USED = Usage(input_tokens=10, output_tokens=5)


def definition(*steps: str) -> dict[str, Any]:
    """A pipeline of these steps, each an echo."""
    return {"name": "sample", "steps": [{"name": name, "type": "test_echo"} for name in steps]}


def failure(kind: FailureKind = "overloaded", message: str = "busy", retry_after_s: float | None = None) -> Failure:
    """A failure; transient by default."""
    return Failure(kind=kind, message=message, retry_after_s=retry_after_s)


class PartitionLog:
    """Records of any runs of one partition, with the verdict of the fold; time passes a second a record."""

    def __init__(self, start: datetime = START) -> None:
        self.fold = PartitionFold(0)
        self.now = start
        self.records: list[tuple[Record, datetime]] = []
        self.refusals: list[Refusal | None] = []

    def write(self, record: Record) -> Refusal | None:
        """Append a record as the wire carries it; why it does not count, or None."""
        self.now += timedelta(seconds=1)
        return self.land(record)

    def land(self, record: Record) -> Refusal | None:
        """Append at the present broker time."""
        read = decode(encode(record))
        verdict = self.fold.apply(read, len(self.records), self.now)
        self.records.append((read, self.now))
        self.refusals.append(verdict.reason if isinstance(verdict, Refused) else None)
        return self.refusals[-1]

    def receive(
        self, command: RecordModel, command_id: str, run_id: str = RUN, *, again: bool = False, offset: int = 0
    ) -> Refusal | None:
        """Append the CommandReceived of a command; `again`: at another place of `commands`."""
        return self.write(received(command, command_id, run_id, self.now, offset + again))

    def start(self, *steps: str, run_id: str = RUN, command_id: str = "start", **fields: Any) -> Record:
        """Receive a StartRun and start its run; the RunStarted."""
        command = commands.StartRun(pipeline="…")
        assert self.receive(command, command_id, run_id) is None
        record = started(run_id, command_id, steps, self.now, **fields)
        assert self.write(record) is None
        return record

    def replay(self) -> PartitionFold:
        """A new fold over the same log."""
        fold = PartitionFold(0)
        for offset, (record, at) in enumerate(self.records):
            fold.apply(record, offset, at)
        return fold


def received(command: RecordModel, command_id: str, run_id: str, at: datetime, offset: int = 0) -> Record:
    """The CommandReceived of a command that stood at `offset` of `commands`."""
    name, raw = type(command).__name__, command.model_dump(mode="json")
    data = run.CommandReceived(
        command_id=command_id, content_hash=hash_of(command, run_id), command_type=name, command=raw,
        topic="commands", partition=0, offset=offset, broker_at=at,
    )  # fmt: skip
    return make_record(data, id=f"{command_id}@commands/0/{offset}", run_id=run_id, at=at)


def hash_of(command: RecordModel, run_id: str) -> str:
    """The content hash of a command."""
    return content_hash([type(command).__name__, 1, run_id, command.model_dump(mode="json")])


def started(run_id: str, command_id: str, steps: Sequence[str], at: datetime, **fields: Any) -> Record:
    """The RunStarted of a run of these steps; `author` and the fields of its data may be given."""
    author, offline = fields.pop("author", AUTHOR), fields.pop("offline", False)
    said: dict[str, Any] = {
        "command_id": command_id, "content_hash": hash_of(commands.StartRun(pipeline="…"), run_id),
        "pipeline_name": "sample", "definition": definition(*steps), "definition_sha256": "d" * 64, "inputs": {},
    }  # fmt: skip
    data = run.RunStarted(**{**said, **fields})
    return make_decision(data, run_id=run_id, seq=1, prev=None, author=author, at=at, offline=offline)


class RunLog(PartitionLog):
    """One run in a partition. `decide` chains a decision to the last accepted one; `report` is a worker's word."""

    def __init__(self, *steps: str, run_id: str = RUN, start: datetime = START, **fields: Any) -> None:
        super().__init__(start)
        self.run_id = run_id
        self._own = RunFold()
        self.start(*(steps or ("a",)), run_id=run_id, **fields)

    @property
    def state(self) -> RunState:
        """The run now; its last state where it ended."""
        assert self._own.state is not None
        return self._own.state

    def land(self, record: Record) -> Refusal | None:
        """Append at the present broker time, to the fold of the partition and to that of the run."""
        refused = super().land(record)
        if record.run_id == self.run_id:
            assert self._own.take(self.records[-1][0], self.now) == refused
        return refused

    def decision(self, data: RecordModel, **changes: Any) -> Record:
        """The next decision; `seq`, `prev` and `author` may be changed."""
        numbered = {"seq": self.state.seq + 1, "prev": self.state.last, "author": AUTHOR, **changes}
        if "context_hash" not in type(data).model_fields:
            return make_decision(data, run_id=self.run_id, at=self.now, **numbered)
        placed = data.model_copy(update={"position": self.state.position + 1})
        context_hash = hash_after(self.state, make_decision(placed, run_id=self.run_id, at=self.now, **numbered))
        sealed = placed.model_copy(update={"context_hash": context_hash})
        return make_decision(sealed, run_id=self.run_id, at=self.now, **numbered)

    def decide(self, data: RecordModel, **changes: Any) -> Refusal | None:
        """Append the next decision."""
        return self.write(self.decision(data, **changes))

    def reported(self, data: RecordModel, what: str | None = None) -> Record:
        """A worker's report as a record; its id tells it from others, of other calls too."""
        named = f"{type(data).__name__}/{getattr(data, 'call_id', '')}"
        id = f"{getattr(data, 'execution_id', 'x')}/{what or named}"
        return make_record(data, id=id, run_id=self.run_id, at=self.now)

    def report(self, data: RecordModel) -> Refusal | None:
        """Append a worker's report."""
        return self.write(self.reported(data))

    # -- shorthands

    def execution(self, name: str = "a", n: int | None = None) -> str:
        """The id of the step's n-th execution; the newest by default."""
        return f"{self.run_id}/{name}#{n or self.state.steps[name].scheduled}"

    def schedule(self, name: str = "a", incarnation: str = WORKER, **fields: Any) -> Refusal | None:
        """Decide the next execution of a step."""
        return self.decide(self.scheduled(name, incarnation, **fields))

    def scheduled(self, name: str = "a", incarnation: str = WORKER, **fields: Any) -> step.StepScheduled:
        """The next StepScheduled of a step."""
        known = self.state.steps[name]
        said: dict[str, Any] = {
            "execution_id": self.execution(name, known.scheduled + 1), "step": name, "step_type": "test_echo",
            "lane": "local", "incarnation": incarnation, "attempt": known.failures + 1, "timeout_s": 300.0,
            "input": Inline(value={"say": name}), "input_hash": "i" * 64,
        }  # fmt: skip
        return step.StepScheduled(**{**said, **fields})

    def begin(self, name: str = "a", incarnation: str = WORKER, n: int | None = None) -> Refusal | None:
        """The worker starts."""
        return self.report(step.StepStarted(execution_id=self.execution(name, n), incarnation=incarnation))

    def complete(
        self, name: str = "a", incarnation: str = WORKER, n: int | None = None, value: Any = "done"
    ) -> Refusal | None:
        """The worker ends well."""
        return self.report(self.completed(name, incarnation, n, value))

    def completed(
        self, name: str = "a", incarnation: str = WORKER, n: int | None = None, value: Any = "done"
    ) -> step.StepCompleted:
        """A StepCompleted."""
        return step.StepCompleted(
            execution_id=self.execution(name, n), incarnation=incarnation, result=Inline(value=value), usage=USED,
            cost_usd=0.01, model="m",
        )  # fmt: skip

    def fail(
        self, name: str = "a", why: Failure | None = None, incarnation: str = WORKER, n: int | None = None
    ) -> Refusal | None:
        """The worker ends in a failure."""
        data = step.StepFailed(
            execution_id=self.execution(name, n), incarnation=incarnation, failure=why or failure(), usage=USED,
            cost_usd=0.01,
        )  # fmt: skip
        return self.report(data)

    def orphan(self, name: str = "a", **fields: Any) -> Refusal | None:
        """Decide that the newest execution's worker is lost."""
        said = {"incarnation": WORKER, "reason": "lease_expired", **fields}
        return self.decide(step.StepOrphaned(execution_id=self.execution(name), **said))

    def end(self, terminal: type[RecordModel] = run.RunCompleted, **fields: Any) -> Refusal | None:
        """Decide the run's end; a RunCancelled's command is received first."""
        said: dict[str, Any] = {"context_hash": "", "usage": self.state.usage, "cost_usd": self.state.cost_usd}
        if terminal is run.RunCompleted:
            said |= {"result": Inline(value="all")}
        if terminal is run.RunFailed:
            said |= {"failure": failure("step_error")}
        if terminal is run.RunQuarantined:
            said = {"context_hash": "", "reason": "crashed", "crashes": 4}
        if terminal is run.RunCancelled:
            said |= {"command_id": "cancel"}
            self.receive(commands.CancelRun(), "cancel", self.run_id)
        return self.decide(terminal(**{**said, **fields}))
