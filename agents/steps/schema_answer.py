"""An answer that has to fit a JSON Schema: parsed, validated, and asked for once more where it does not fit."""

from dataclasses import dataclass
from typing import Any

from elexirion.agents.steps.port import StepError
from elexirion.events.failure import Failure
from elexirion.pipelines.json_text import parsed
from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_TOLD = 5
_MAX_EXPECTED = 200
# Without one of its own a validator fetches references from the network.
_NO_OTHER_SCHEMAS: Registry[Any] = Registry()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where the answer does not fit, each place with what was expected there; never what the answer said."""

    places: tuple[str, ...]

    def __str__(self) -> str:
        more = len(self.places) - MAX_TOLD
        return "; ".join(self.places[:MAX_TOLD]) + (f"; and {more} more" if more > 0 else "")


def validator(schema: dict[str, Any]) -> Validator:
    """A validator of the schema by the draft it names, else 2020-12; raises StepError where it is no schema."""
    draft = validator_for(schema, default=Draft202012Validator)
    try:
        draft.check_schema(schema)
    except SchemaError as error:
        raise _no_schema(f"at {error.json_path}: {error.message}") from error
    return draft(schema, registry=_NO_OTHER_SCHEMAS)


def fitted(text: str, schema: Validator) -> Any | Mismatch:
    """The data of the answer, or where it does not fit; raises StepError where the schema refers to nothing."""
    data = parsed(text)
    if data is None and text.strip() != "null":
        return Mismatch(("at $: it is not JSON",))
    return _mismatch(data, schema) or data


def fitted_value(value: Any, schema: Validator) -> Any | Mismatch:
    """The value where it fits, or where it does not; of a text that is JSON the data in it, else the text as it is.

    Raises StepError where the schema refers to nothing.
    """
    data = parsed(value) if isinstance(value, str) else value
    if isinstance(value, str) and data is None and value.strip() != "null":
        data = value
    mismatch = _mismatch(data, schema)
    if mismatch and isinstance(value, str) and _mismatch(value, schema) is None:
        return value
    return mismatch or data


def _mismatch(data: Any, schema: Validator) -> Mismatch | None:
    try:
        errors = sorted(schema.iter_errors(data), key=lambda error: [str(part) for part in error.absolute_path])
    except (Unresolvable, RecursionError) as error:
        raise _no_schema(f"a reference in it leads nowhere ({type(error).__name__})") from error
    return Mismatch(tuple(_told(error) for error in errors)) if errors else None


def repair_prompt(mismatch: Mismatch) -> str:
    """What the model is told of an answer that does not fit."""
    return (
        f"Your answer does not fit the JSON Schema that was asked for: {mismatch}. "
        "Answer again with the whole corrected JSON value and nothing else."
    )


def failure(mismatch: Mismatch, prefix: str = "", what: str = "answer") -> StepError:
    """The step's failure, after `prefix`; `what` did not fit."""
    message = f"{prefix}the {what} does not fit output_schema: {mismatch}"
    return StepError(Failure(kind="schema_mismatch", message=message))


def _no_schema(said: str) -> StepError:
    return StepError(Failure(kind="invalid_request", message=f"output_schema is not a JSON Schema: {said}"))


def _told(error: ValidationError) -> str:
    expected = repr(error.validator_value)
    return f"at {error.json_path}: {error.validator} {expected[:_MAX_EXPECTED]}"
