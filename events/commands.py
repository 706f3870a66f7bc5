"""What users ask for: the records of the `commands` topic, imperative."""

from typing import Any, Literal

from elexirion.events.carried import Carried
from elexirion.events.failure import Failure
from elexirion.events.priority import Priority
from elexirion.events.record_model import RecordModel, later_field
from elexirion.events.schedule import FiredBy, Schedule
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value
from pydantic import AwareDatetime, Field


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


class Replay(RecordModel):
    """Where the calls of models are answered from: the log of a run, or its export (with chunks) in a file.

    With `timing` "compressed" the chunks of an answer come at once, else as far apart as they were recorded.
    """

    run_id: str | None = None
    file: str | None = None
    timing: Literal["recorded", "compressed"] = "recorded"


class StartRun(RecordModel):
    """Start a run of `pipeline` under the envelope's run_id.

    `then` chains further pipelines: each gets the output before it as `inputs.input`; the chain halts at the
    first failure. `offline` answers every provider step without a network, `replay_from` by a recorded run.
    """

    pipeline: str | dict[str, Any]
    source: RunSource = RunSource()
    inputs: dict[str, Any] = Field(default_factory=dict)
    offline: bool = False
    replay_from: Replay | None = None
    then: tuple[PipelineReference, ...] = ()
    previous_run_id: str | None = None
    parent: Parent | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    retry_of: str | None = later_field(description="The run whose results it takes over, to go on after a failure.")
    fork_of: str | None = later_field(description="The run whose results it takes over, to go on in another way.")
    carried: Carried | None = later_field(description="What it takes over.")
    start_at: AwareDatetime | None = later_field(description="Nothing of it begins before this time.")
    schedule: Schedule | None = later_field(description="It is a schedule: at its times, runs of the pipeline start.")
    fired_by: FiredBy | None = later_field(description="The schedule that started it.")
    priority: Priority | None = later_field(description="Its share of a full lane; unset: what the pipeline says.")


class CancelRun(RecordModel):
    """End the run now; open executions are aborted."""

    reason: str | None = None


class PauseRun(RecordModel):
    """Let open executions end, start nothing new; child runs pause as well."""

    reason: str | None = None
    parent_seq: int | None = later_field(description="Number of the parent run's decision that asks for it.")


class ResumeRun(RecordModel):
    """Go on with a paused run."""

    parent_seq: int | None = later_field(description="Number of the parent run's decision that asks for it.")


class RetryRun(RecordModel):
    """Start a new run that takes the results of this one, which ended, and goes on from `from_step`.

    Unset, that is the step that failed. It and all that need it run again, a step with steps inside as a whole.
    """

    new_run_id: str
    from_step: str | None = None


class ForkRun(RecordModel):
    """Start a new run that takes this run's results above `from_step` in the file, and runs the rest.

    `variables` override inputs of these names, else variables. With `pipeline` the new run is one of that file: it
    takes the results of the steps above `from_step` there that this run has under the same name and type.
    """

    new_run_id: str
    from_step: str
    variables: dict[str, Any] = Field(default_factory=dict)
    pipeline: PipelineReference | None = later_field(description="A changed pipeline; unset: the one in the log.")


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
