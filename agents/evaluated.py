"""What came out of evaluating templates, conditions and files: facts that `decide` writes into events."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from elexirion.events.failure import Failure
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


@dataclass(frozen=True, slots=True)
class NotWanted:
    """The step's condition does not hold."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotPossible:
    """The step could not be evaluated."""

    failure: Failure


Evaluation: TypeAlias = Rendered | Assigned | NotWanted | NotPossible


@dataclass(frozen=True, slots=True)
class Output:
    """The run's output; `inputs` is what the next pipeline of a chain gets."""

    value: Value
    inputs: dict[str, Any]
