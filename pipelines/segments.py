"""The parts that a prompt is made of."""

from typing import Annotated, Any, Literal

from elexirion.pipelines.model import Model, NotNegative, Positive, Text
from pydantic import Discriminator, Field, Tag


class Segment(Model, frozen=True):
    """What every segment has."""

    template: bool = True
    """`false` takes the text as it stands: for code, JSX, LaTeX."""


class StaticSegment(Segment, frozen=True):
    """Text written in the pipeline file."""

    type: Literal["static"]
    content: str
    """The text."""


class FileSegment(Segment, frozen=True):
    """The text of a file, read when the step is scheduled."""

    type: Literal["file"]
    path: Text
    """The file, below one of the allowed folders."""


class PreviousResponseSegment(Segment, frozen=True):
    """The result of an earlier step, or a part of it."""

    type: Literal["previous_response"]
    step: Text
    """Name of the step, or of an `output_field`."""
    extract: Text | None = None
    """Path of the wanted part, with dots."""
    strict: bool = False
    """Whether a missing part fails the step; otherwise the whole result stands in for it."""
    summary: bool = False
    """Shortens the text at the end of a sentence."""
    max_length: Positive | None = None
    """Longest text, in characters."""


class SessionContextSegment(Segment, frozen=True):
    """The history of a session as text."""

    type: Literal["session_context"]
    session_id: Text | None = None
    """A `session_name`, or a step of the type `claude_session`; in such a step its own session where left out."""
    include_last_n: NotNegative | None = None
    """How many of the last turns are included; all where left out."""
    persist: bool = False
    """Whether the session may come from other runs alone, without a step in this file."""


class ClaudeContinueSegment(Segment, frozen=True):
    """A further turn of a session: its history, and what is said now."""

    type: Literal["claude_continue"]
    session_id: Text | None = None
    """A `session_name`, or a step of the type `claude_session`; in such a step its own session where left out."""
    new_prompt: str | None = None
    """What is said after the history."""
    persist: bool = False
    """Whether the session may come from other runs alone, without a step in this file."""


AnySegment = Annotated[
    StaticSegment | FileSegment | PreviousResponseSegment | SessionContextSegment | ClaudeContinueSegment,
    Field(discriminator="type"),
]


def _form(value: Any) -> str:
    return "segments" if isinstance(value, list | tuple) else "text"


Prompt = Annotated[
    Annotated[str, Field(min_length=1), Tag("text")]
    | Annotated[tuple[AnySegment, ...], Field(min_length=1), Tag("segments")],
    Discriminator(_form),
]
