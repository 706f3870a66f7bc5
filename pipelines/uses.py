"""What a step takes from the rest of the pipeline, each with the key path that says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.segments import (
    ClaudeContinueSegment,
    FileSegment,
    PreviousResponseSegment,
    Prompt,
    SessionContextSegment,
    StaticSegment,
)
from elexirion.pipelines.templates import is_template


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A text that is rendered when the step is ready."""

    path: KeyPath
    source: str


@dataclass(frozen=True, slots=True)
class ConditionUse:
    """A condition that is evaluated when the step is ready."""

    path: KeyPath
    condition: Any


@dataclass(frozen=True, slots=True)
class StepUse:
    """A step whose result is taken by its name."""

    path: KeyPath
    step: str


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """A function that `gemini_functions` has to declare."""

    path: KeyPath
    function: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Something of the language that this version cannot run yet."""

    path: KeyPath
    message: str


Use = TemplateUse | ConditionUse | StepUse | FunctionUse | Unsupported


def templates_in(value: Any, path: KeyPath) -> Iterator[TemplateUse]:
    """Every text with braces within a value of JSON types."""
    match value:
        case str():
            if is_template(value):
                yield TemplateUse(path, value)
        case dict():
            for key, item in value.items():
                yield from templates_in(item, (*path, key))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from templates_in(item, (*path, index))


def uses_of_prompt(prompt: Prompt, path: KeyPath) -> Iterator[Use]:
    """What the segments of a prompt use."""
    if isinstance(prompt, str):
        yield from templates_in(prompt, path)
        return
    for index, segment in enumerate(prompt):
        here = (*path, index)
        match segment:
            case StaticSegment(template=True):
                yield from templates_in(segment.content, (*here, "content"))
            case FileSegment(template=True):
                yield from templates_in(segment.path, (*here, "path"))
            case PreviousResponseSegment():
                yield StepUse((*here, "step"), segment.step)
            case SessionContextSegment() | ClaudeContinueSegment():
                message = f"a `{segment.type}` segment needs a session: not supported by this version"
                yield Unsupported((*here, "type"), message)
            case _:
                pass
