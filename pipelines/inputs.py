"""Inputs of a run: what is missing, what has a default, what does not fit its declaration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from elexirion.pipelines.schema import InputDeclaration, Pipeline


@dataclass(frozen=True, slots=True)
class NeededInput:
    """A name that only a parent or an input can supply, with the line that uses it first."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class InputsRefused(Exception):  # noqa: N818 - what happened, like every event
    """Inputs with which a run cannot start; one sentence for each reason."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


# What was given stands in no message: it may be a secret or a prompt, and messages reach the log.
_KINDS: Mapping[type[Any], str] = {
    type(None): "null",
    bool: "a boolean",
    str: "a text",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a map",
}
_FITS: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "text": lambda value: isinstance(value, str),
    "file": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "array": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "object": lambda value: isinstance(value, dict),
}


def missing_inputs(needed: tuple[NeededInput, ...], given: Mapping[str, Any]) -> tuple[NeededInput, ...]:
    """The needed inputs that were not given."""
    return tuple(one for one in needed if one.name not in given)


def with_defaults(pipeline: Pipeline, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a run: those given over the declared defaults; raises InputsRefused for wrong types."""
    reasons = tuple(
        f"input `{name}` must be of type {declared.type}, not {_kind(given[name])}"
        for name, declared in pipeline.inputs.items()
        if name in given and not _fits(given[name], declared)
    )
    if reasons:
        raise InputsRefused(reasons)
    optional = {name: one.default for name, one in pipeline.inputs.items() if not one.must_be_given}
    return {**optional, **given}


def undeclared_inputs(pipeline: Pipeline, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Given names that a workflow with declared inputs does not declare: worth a warning."""
    return tuple(name for name in given if pipeline.inputs and name not in pipeline.inputs)


def _fits(value: Any, declared: InputDeclaration) -> bool:
    fits = _FITS.get(declared.type)
    return fits is None or fits(value)


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), type(value).__name__)
