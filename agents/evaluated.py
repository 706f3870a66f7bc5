"""What came out of evaluating templates, conditions and files: facts that `decide` writes into events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from elexirion.events.commands import RunSource
from elexirion.events.failure import Failure
from elexirion.events.step import Shape
from elexirion.events.values import Value


@dataclass(frozen=True, slots=True)
class Rendered:
    """The step with all templates rendered, ready for a worker. `prompt_files`: path and SHA-256 of each."""

    input: Value
    input_hash: str
    output_file: str | None = None
    prompt_files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Assigned:
    """A set_variable step's values."""

    values: dict[str, Any]
    scope: Literal["global", "session", "loop"] = "global"


@dataclass(frozen=True, slots=True)
class NotWanted:
    """The step's condition does not hold."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotPossible:
    """The step could not be evaluated."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Opened:
    """A step with steps inside, and what it goes over; as in StepExpanded."""

    shape: Shape
    children: dict[str, str]
    items: Value | None = None
    count: int | None = None
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Sleeping:
    """A step that waits: for some seconds from now, or until a time."""

    seconds: float | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """A step that asks a person."""

    message: str
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Calling:
    """A step that runs another pipeline."""

    pipeline: Value
    inputs: dict[str, Any]
    source: RunSource
    timeout_s: float | None = None


StepAnswer: TypeAlias = Rendered | Assigned | NotWanted | NotPossible | Opened | Sleeping | Asking | Calling


@dataclass(frozen=True, slots=True)
class Holds:
    """Whether a condition about a loop holds."""

    value: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """The result of a step that no worker runs; `ended_because` where its end had another reason than was thought."""

    value: Value
    ended_because: str | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """The run's output; `inputs` is what the next pipeline of a chain gets."""

    value: Value
    inputs: dict[str, Any]


Answer: TypeAlias = StepAnswer | Holds | Joined | Output
