"""What a run takes over from another one: results of steps that do not run again."""

from datetime import datetime
from typing import Any, Literal

from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Value
from pydantic import Field


class CarriedStep(RecordModel):
    """A step of the file that was over in another run. `origin` is the execution that made it, or `run/step`.

    `usage` and `cost_usd` were paid there; they do not count again.
    """

    name: str
    step_type: str
    status: Literal["completed", "skipped", "failed"]
    origin: str
    result: Value | None = None
    text_sha256: str | None = None
    chunks: int = 0
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0
    model: str | None = None
    stop_reason: str | None = None
    duration_s: float | None = None
    output_file: str | None = None
    failures: int = 0
    crashes: int = 0
    failure: Failure | None = None
    skip_reason: str | None = None
    fallback: str | None = None
    said: Value | None = None
    ended_because: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Carried(RecordModel):
    """Steps in the order in which they ended, and the variables that they set, with those given for the new run.

    `setters` names the step that set each variable; one without a setter was given.
    """

    steps: tuple[CarriedStep, ...] = ()
    variables: dict[str, Any] = Field(default_factory=dict)
    setters: dict[str, str] = Field(default_factory=dict)
