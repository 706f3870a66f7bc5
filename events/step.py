"""What happens to a step and its executions: decisions of the orchestrator and reports of workers."""

from datetime import datetime
from typing import Any, Literal

from elexirion.events.commands import Replay
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value
from pydantic import Field

Lane = Literal["claude", "gemini", "openai", "local"]


# Decisions -----------------------------------------------------------------------------------------------


class Allowance(RecordModel):
    """What the run might still use when an execution was scheduled; None is without limit.

    Executions under way at the same time each get all that was left: what they use together may pass a limit.
    """

    tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)


class StepScheduled(RecordModel):
    """One execution of a step, given to one incarnation. `input` is the step with all templates rendered.

    `attempt` counts retries from 1; the n in the execution id counts every schedule, orphaned ones included.
    """

    execution_id: str
    step: str
    step_type: str
    lane: Lane
    incarnation: str
    attempt: int = Field(ge=1)
    timeout_s: float | None = Field(default=None, gt=0)
    input: Value
    input_hash: str
    prompt_files: tuple[tuple[str, str], ...] = ()
    output_file: str | None = None
    fallback: str | None = Field(
        default=None, description="Who is asked in place of the step's own model, as `provider/model`."
    )
    allowance: Allowance | None = None


class StepSkipped(RecordModel):
    """The step does not run; `reason` is its condition, or what went before."""

    step: str
    reason: str


class StepRetryScheduled(RecordModel):
    """Another attempt follows at `due_at`; `delay_s` was chosen once and is recorded here."""

    step: str
    attempt: int = Field(ge=2)
    due_at: datetime
    delay_s: float = Field(ge=0)
    failure: Failure


class FallbackChosen(RecordModel):
    """The step's present model is given up; the next one of its `fallback` list has the attempts of `retry` anew.

    `number` counts the list from 1; `fallback` is who is asked from now on, as `provider/model`.
    """

    step: str
    number: int = Field(ge=1)
    fallback: str
    failure: Failure


class StepTimedOut(RecordModel):
    """The execution passed its time; it is closed and counts as a failed attempt."""

    execution_id: str
    timeout_s: float


class StepOrphaned(RecordModel):
    """The execution's worker died or went silent; the step is scheduled anew without spending an attempt."""

    execution_id: str
    incarnation: str
    reason: Literal["lease_expired", "worker_left", "lane_dropped"]
    ran_s: float | None = Field(
        default=None, ge=0, description="Seconds from its start to the worker's last sign of life, where known."
    )


class StepRefused(RecordModel):
    """The step failed outside of any execution: it could not be evaluated, or what is inside it failed."""

    step: str
    failure: Failure


Shape = Literal["items", "loop", "repeat", "branch"]
"""How a step holds others: one leaf for each item, a block for each item, a block while, one block of several."""


class StepExpanded(RecordModel):
    """A step with steps inside begins: what it goes over was evaluated once and is recorded here.

    `children` are name and type of the steps inside (of items, whose paths are `step/index`, one under an empty
    name); `items` is the list gone over, of which `count` are taken (a loop that is cut short holds one more);
    `branch` is the key of the chosen block of a switch.
    """

    step: str
    step_type: str
    shape: Shape
    children: dict[str, str]
    items: Value | None = None
    count: int | None = Field(default=None, ge=0)
    branch: str | None = None


class StepConcluded(RecordModel):
    """A step that runs nowhere itself is over: all inside it ended, its time came, or it was answered."""

    step: str
    result: Value
    ended_because: str | None = None


class IterationStarted(RecordModel):
    """One turn of a loop begins; `index` counts from 0."""

    step: str
    index: int = Field(ge=0)


class IterationEnded(RecordModel):
    """One turn of a loop ended, or was left out."""

    step: str
    index: int = Field(ge=0)
    ended_because: Literal["completed", "failed", "break", "skipped"] = "completed"
    failure: Failure | None = None


# Reports: they count only while the execution is open, and only from the incarnation it names -------------


class Report(RecordModel):
    """What a worker says of an execution."""

    execution_id: str
    incarnation: str


class StepStarted(Report):
    """The worker began."""


class StepCompleted(Report):
    """The execution ended well; `text_sha256` is the hash of its joined chunks."""

    result: Value
    text_sha256: str | None = None
    chunks: int = Field(default=0, ge=0)
    usage: Usage = NO_USAGE
    cost_usd: float | None = None
    model: str | None = None
    stop_reason: str | None = None
    output_file: str | None = None
    duration_s: float = Field(default=0.0, ge=0)
    turns: Value | None = Field(
        default=None, description="What the step added to its session: a list of `{user, assistant}`."
    )
    fallback: str | None = Field(default=None, description="What stood in for the step's own answer, if anything did.")


class StepFailed(Report):
    """The execution ended in a failure; tokens already used are counted."""

    failure: Failure
    usage: Usage = NO_USAGE
    cost_usd: float | None = None
    chunks: int = Field(default=0, ge=0)
    duration_s: float = Field(default=0.0, ge=0)


class StepDeclined(Report):
    """A worker did not take the execution. Only the named incarnation's own decline closes it."""

    reason: Literal["not_mine", "full", "draining", "unknown_lane", "fenced"]


class StepReleased(Report):
    """A draining worker gave the execution back unfinished."""

    reason: Literal["drain"] = "drain"


class ToolCalled(Report):
    """The model asked for a tool."""

    call_id: str
    tool: str
    arguments: dict[str, Any]


class ToolReturned(Report):
    """A tool answered."""

    call_id: str
    tool: str
    result: Value
    is_error: bool = False


class CacheHit(Report):
    """The answer came from the result cache."""

    request_hash: str
    written_at: datetime


class FallbackUsed(Report):
    """Another model, or a prepared answer, stood in within the execution."""

    reason: str
    used: str


# Commands to workers ------------------------------------------------------------------------------------


class ExecuteStep(RecordModel):
    """Run this execution, if you are `incarnation`; stands on `steps.<lane>`.

    `pipeline` and `tags` are the run's: budgets of a day go by them.
    """

    execution_id: str
    incarnation: str
    step: str
    step_type: str
    lane: Lane
    attempt: int = Field(ge=1)
    timeout_s: float | None = None
    input: Value
    output_file: str | None = None
    fallback: str | None = None
    pipeline: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    replay_from: Replay | None = None
    allowance: Allowance | None = None


class CancelStep(RecordModel):
    """Stop this execution, if you hold it; stands on `steps.<lane>`."""

    execution_id: str
    incarnation: str


# Chunks -------------------------------------------------------------------------------------------------


class StepChunk(RecordModel):
    """The n-th piece of an execution's streamed text, counted from 1; stands on `chunks`."""

    execution_id: str
    n: int = Field(ge=1)
    text: str


class PayloadPart(RecordModel):
    """The index-th part, counted from 0, of a stored value; joined texts are its canonical JSON."""

    sha256: str
    index: int = Field(ge=0)
    parts: int = Field(ge=1)
    text: str
