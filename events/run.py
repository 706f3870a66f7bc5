"""What happens to a run as a whole. All but CommandReceived are decisions of its orchestrator."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from elexirion.events.commands import Parent, PipelineReference, RunSource
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value
from pydantic import Field

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
    ]  # fmt: skip
    reason: str


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
    tags: dict[str, str] = Field(default_factory=dict)


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


class RunResumed(RecordModel):
    """The run goes on."""

    command_id: str


class BudgetExceeded(RecordModel):
    """A limit on cost, tokens or steps was reached."""

    limit: str
    allowed: float
    used: float


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
