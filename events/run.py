"""What happens to a run as a whole. All but CommandReceived are decisions of its orchestrator."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from elexirion.events.carried import Carried
from elexirion.events.commands import Parent, PipelineReference, Replay, RunSource
from elexirion.events.failure import Failure
from elexirion.events.priority import Priority
from elexirion.events.record_model import RecordModel, later_field
from elexirion.events.schedule import FiredBy, Schedule
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value
from pydantic import AwareDatetime, Field

Position: TypeAlias = Annotated[
    int | None,
    Field(ge=2, description="Place of a terminal among the run's accepted records: at another one it does not count."),
]
"""A terminal's `context_hash` is that of its place; a report that lands before it makes the decision void."""


class CommandReceived(RecordModel):
    """A command was read from `commands` and stands in the log now; `command` is its type and data."""

    command_id: str
    content_hash: str
    command_type: str
    command: dict[str, Any]
    topic: str
    partition: int
    offset: int
    issued_at: datetime | None = None
    broker_at: datetime | None = Field(default=None, description="Broker timestamp of the command's record.")


class CommandRejected(RecordModel):
    """A command had no effect; `reason` says why and what to do."""

    command_id: str
    content_hash: str
    reason_code: Literal[
        "invalid_pipeline", "missing_inputs", "invalid_inputs", "run_exists", "no_such_run", "run_ended",
        "conflicting_content", "expired", "not_applicable", "unsupported", "invalid_command", "no_such_child",
        "run_open", "no_such_step",
    ]  # fmt: skip
    reason: str


class RunForked(RecordModel):
    """A RetryRun or ForkRun counts: another run is asked for by the StartRun `start`, whose id follows from it.

    It is no part of the run that it is about, which may have ended long ago. `carried` names the steps whose results
    the new run takes.
    """

    command_id: str
    content_hash: str
    relation: Literal["retry", "fork"]
    new_run_id: str
    start_command_id: str
    start: Value
    from_step: str | None = None
    carried: tuple[str, ...] = ()


class RunStarted(RecordModel):
    """A run exists. The whole definition is here: a file edited later changes nothing."""

    command_id: str
    content_hash: str
    pipeline_name: str
    definition: dict[str, Any]
    definition_sha256: str
    inputs: dict[str, Any]
    source: RunSource = RunSource()
    then: tuple[PipelineReference, ...] = ()
    previous_run_id: str | None = None
    parent: Parent | None = None
    replay_from: Replay | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    retry_of: str | None = later_field(description="The run whose results it takes over, to go on after a failure.")
    fork_of: str | None = later_field(description="The run whose results it takes over, to go on in another way.")
    carried: Carried | None = later_field(description="What it takes over.")
    start_at: AwareDatetime | None = later_field(description="Nothing of it begins before this time.")
    schedule: Schedule | None = later_field(description="It is a schedule: at its times, runs of the pipeline start.")
    fired_by: FiredBy | None = later_field(description="The schedule that started it.")
    priority: Priority = later_field("normal", description="Its share of a full lane.")


class VariablesSet(RecordModel):
    """A set_variable step ran: `values` hold from here on; the step is completed by this record."""

    step: str
    values: dict[str, Any]
    scope: Literal["global", "session", "loop"] = "global"


class ChildRunStarted(RecordModel):
    """Another run is asked for by a command whose id follows from this run."""

    child_run_id: str
    command_id: str
    relation: Literal["then", "step"]
    inputs: dict[str, Any]
    step: str | None = Field(default=None, description="The pipeline step that waits for the child.")
    pipeline: Value | None = Field(default=None, description="The child's pipeline, as its StartRun carries it.")
    source: RunSource = RunSource()
    due_at: datetime | None = None


class ChildRunEnded(RecordModel):
    """A child run ended; the step that started it is over with this record, or fails with it."""

    command_id: str
    child_run_id: str
    step: str
    status: Literal["completed", "failed", "cancelled", "quarantined"]
    result: Value | None = None
    failure: Failure | None = None
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0


class TimerSet(RecordModel):
    """A step waits until `due_at`."""

    step: str
    due_at: datetime


class ErrorHandlingStarted(RecordModel):
    """The run is about to fail: what is open is closed, and the steps of `on_error` run before it does."""

    failure: Failure
    step: str | None = None
    handlers: dict[str, str] = Field(description="Name and type of each step of `on_error`.")


class ApprovalRequested(RecordModel):
    """A step waits for `signal RUN approve` or `reject`."""

    step: str
    message: str
    due_at: datetime | None = None


class SignalReceived(RecordModel):
    """A signal reached the run; `step` is the one that waited for it."""

    command_id: str
    name: str
    value: Any = None
    step: str | None = None


class RunPaused(RecordModel):
    """Nothing new starts until RunResumed."""

    command_id: str
    reason: str | None = None
    parent_seq: int | None = later_field(description="Number of the parent run's decision that asked for it.")


class RunResumed(RecordModel):
    """The run goes on."""

    command_id: str
    parent_seq: int | None = later_field(description="Number of the parent run's decision that asked for it.")


class BudgetExceeded(RecordModel):
    """A limit on cost, tokens, steps or time was reached; with `audit` that is a warning, and the run goes on."""

    limit: str
    allowed: float
    used: float
    audit: bool = False


class RunCompleted(RecordModel):
    """The run ended well. `context_hash` is the SHA-256 of the canonical JSON of the final context."""

    result: Value
    usage: Usage
    cost_usd: float | None
    context_hash: str
    position: Position = None
    next_run_id: str | None = None


class RunFailed(RecordModel):
    """The run ended because `step` failed, or for a reason of its own."""

    failure: Failure
    step: str | None = None
    usage: Usage
    cost_usd: float | None
    context_hash: str
    position: Position = None


class RunCancelled(RecordModel):
    """The run ended because a command said so."""

    command_id: str
    reason: str | None = None
    usage: Usage
    cost_usd: float | None
    context_hash: str
    position: Position = None


class RunQuarantined(RecordModel):
    """The run was set aside because working on it crashed again and again; its neighbours go on."""

    reason: str
    crashes: int = Field(ge=1)
    context_hash: str
    position: Position = None
