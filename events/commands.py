"""What users ask for: the records of the `commands` topic, imperative."""

from typing import Any, Literal

from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value
from pydantic import Field


class RunSource(RecordModel):
    """Where a pipeline came from: its file, that file's folder, and the folder in which it was started."""

    file: str | None = None
    folder: str | None = None
    cwd: str | None = None


class PipelineReference(RecordModel):
    """A pipeline by value: YAML or JSON text, or the parsed document."""

    pipeline: str | dict[str, Any]
    source: RunSource = RunSource()


class Parent(RecordModel):
    """The run and step that started this one; `depth` counts runs above it, `files` are their pipeline files."""

    run_id: str
    step: str
    depth: int = Field(default=1, ge=1)
    files: tuple[str, ...] = ()


class StartRun(RecordModel):
    """Start a run of `pipeline` under the envelope's run_id.

    `then` chains further pipelines: each gets the output before it as `inputs.input`; the chain halts at the
    first failure. `offline` answers every provider step without a network.
    """

    pipeline: str | dict[str, Any]
    source: RunSource = RunSource()
    inputs: dict[str, Any] = Field(default_factory=dict)
    offline: bool = False
    then: tuple[PipelineReference, ...] = ()
    previous_run_id: str | None = None
    parent: Parent | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class CancelRun(RecordModel):
    """End the run now; open executions are aborted."""

    reason: str | None = None


class PauseRun(RecordModel):
    """Let open executions end, start nothing new."""

    reason: str | None = None


class ResumeRun(RecordModel):
    """Go on with a paused run."""


class RetryRun(RecordModel):
    """Start a new run from the failed step of this one."""

    new_run_id: str
    from_step: str | None = None


class ForkRun(RecordModel):
    """Start a new run that takes this run's results before `from_step`."""

    new_run_id: str
    from_step: str
    variables: dict[str, Any] = Field(default_factory=dict)


class Signal(RecordModel):
    """Tell a waiting step something: `approve` or `reject`; or a shared session: `turns` or `forget`."""

    name: str
    value: Any = None


class ChildEnded(RecordModel):
    """A child run tells its parent that it ended; written by orchestrators, said again whenever it is asked for."""

    child_run_id: str
    step: str
    status: Literal["completed", "failed", "cancelled", "quarantined"]
    result: Value | None = None
    failure: Failure | None = None
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0
