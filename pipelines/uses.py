"""What a step takes from the rest of the pipeline, each with the key path that says so."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
class ExpressionUse:
    """An expression without braces that is evaluated when the step is ready."""

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
class SessionUse:
    """A conversation whose history is taken; `persist` where only other runs may carry it on."""

    path: KeyPath
    session: str | None
    persist: bool


Use = TemplateUse | ExpressionUse | ConditionUse | StepUse | FunctionUse | SessionUse


def below(use: Use, path: KeyPath) -> Use:
    """The same use of a part that stands at `path`."""
    return replace(use, path=(*path, *use.path))


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


def expressions_in(value: Any, path: KeyPath) -> Iterator[Use]:
    """A text that is an expression with or without braces; of other values the templates in them."""
    if isinstance(value, str) and not is_template(value):
        yield ExpressionUse(path, value)
    else:
        yield from templates_in(value, path)


def uses_of_prompt(prompt: Prompt, path: KeyPath, own_session: str | None = None) -> Iterator[Use]:
    """What the segments of a prompt use; `own_session` is the one meant where a segment names none."""
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
                yield from _of_session(segment, here, own_session)
            case _:
                pass


def _of_session(
    segment: SessionContextSegment | ClaudeContinueSegment, path: KeyPath, own_session: str | None
) -> Iterator[Use]:
    yield SessionUse((*path, "session_id"), segment.session_id or own_session, segment.persist)
    if segment.template:
        yield from templates_in(segment.session_id, (*path, "session_id"))
    if segment.template and isinstance(segment, ClaudeContinueSegment):
        yield from templates_in(segment.new_prompt, (*path, "new_prompt"))
