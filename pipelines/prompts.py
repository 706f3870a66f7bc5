"""A prompt's segments into one text, when its step is scheduled."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, assert_never

from elexirion.pipelines.json_text import text_of
from elexirion.pipelines.names import Scope, StepFields, StepView, child, children
from elexirion.pipelines.segments import (
    AnySegment,
    ClaudeContinueSegment,
    FileSegment,
    PreviousResponseSegment,
    Prompt,
    SessionContextSegment,
    StaticSegment,
)
from elexirion.pipelines.template_errors import TemplateError, TemplateNameError

SUMMARY_LENGTH = 500
ReadFile = Callable[[str], bytes]
"""Gives the content of a file by the path of its segment; raises OSError or ValueError when it may not."""
RenderText = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The text, and path and SHA-256 of every file in it."""

    text: str
    files: tuple[tuple[str, str], ...] = ()


def render_prompt(prompt: Prompt, scope: Scope, read_file: ReadFile, render_text: RenderText) -> RenderedPrompt:
    """The segments joined by newlines; raises TemplateError for whatever cannot be had."""
    if isinstance(prompt, str):
        return RenderedPrompt(render_text(prompt))
    rendered = [_segment(segment, scope, read_file, render_text) for segment in prompt]
    files = tuple(file for part in rendered for file in part.files)
    return RenderedPrompt("\n".join(part.text for part in rendered), files)


def _segment(segment: AnySegment, scope: Scope, read_file: ReadFile, render_text: RenderText) -> RenderedPrompt:
    match segment:
        case StaticSegment():
            return RenderedPrompt(render_text(segment.content) if segment.template else segment.content)
        case FileSegment():
            return _file(render_text(segment.path) if segment.template else segment.path, read_file)
        case PreviousResponseSegment():
            return RenderedPrompt(_previous(segment, scope))
        case SessionContextSegment() | ClaudeContinueSegment():
            raise TemplateError(f"a `{segment.type}` segment needs a session: not supported by this version")
        case _:
            assert_never(segment)


def _file(path: str, read_file: ReadFile) -> RenderedPrompt:
    try:
        content = read_file(path)
        return RenderedPrompt(content.decode(), ((path, sha256(content).hexdigest()),))
    except UnicodeDecodeError:
        raise TemplateError(f"the file `{path}` is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise TemplateError(f"the file `{path}` cannot be read: {error}") from error


def _previous(segment: PreviousResponseSegment, scope: Scope) -> str:
    view = scope.steps.get(segment.step)
    if view is not None:
        text = view.text if segment.extract is None else _extracted(segment, view)
    elif segment.step in scope.output_fields:
        text = text_of(scope.output_fields[segment.step])
    else:
        raise TemplateNameError(segment.step, scope.steps, "the results of earlier steps")
    return _shortened(text, segment)


def _extracted(segment: PreviousResponseSegment, view: StepView) -> str:
    value: Any = StepFields(view)
    for part in (segment.extract or "").split("."):
        try:
            value = child(value, part)
        except (KeyError, TypeError):
            if segment.strict:
                where = f"`{segment.extract}` of step `{segment.step}`"
                raise TemplateNameError(part, children(value), where) from None
            return view.text
    return text_of(value)


def _shortened(text: str, segment: PreviousResponseSegment) -> str:
    most = segment.max_length or (SUMMARY_LENGTH if segment.summary else None)
    if most is None or len(text) <= most:
        return text
    cut = text[: most - 1]
    if segment.summary:
        sentence = max(cut.rfind(end) + 1 for end in (". ", "! ", "? ", ".\n", "\n\n"))
        cut = cut[:sentence].rstrip() if sentence > most // 2 else cut
    return cut.rstrip() + "…"
