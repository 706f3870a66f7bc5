"""A prompt's segments into one text, when its step is scheduled."""

from collections.abc import Callable, Sequence
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
from elexirion.pipelines.sessions import Turn, as_text, last_turns
from elexirion.pipelines.template_errors import TemplateError, TemplateNameError

SUMMARY_LENGTH = 500
ReadFile = Callable[[str], bytes]
"""Gives the content of a file by the path of its segment; raises OSError or ValueError when it may not."""
RenderText = Callable[[str], str]
History = Callable[[str], Sequence[Turn]]
"""Gives the history of a session by one of its names."""


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The text, and path and SHA-256 of every file in it."""

    text: str
    files: tuple[tuple[str, str], ...] = ()


def no_history(session: str) -> Sequence[Turn]:
    """The history where there are no sessions."""
    return ()


def render_prompt(
    prompt: Prompt, scope: Scope, read_file: ReadFile, render_text: RenderText, history: History = no_history
) -> RenderedPrompt:
    """The segments joined by newlines; raises TemplateError for whatever cannot be had."""
    if isinstance(prompt, str):
        return RenderedPrompt(render_text(prompt))
    rendered = [_segment(segment, scope, read_file, render_text, history) for segment in prompt]
    files = tuple(file for part in rendered for file in part.files)
    return RenderedPrompt("\n".join(part.text for part in rendered), files)


def _segment(
    segment: AnySegment, scope: Scope, read_file: ReadFile, render_text: RenderText, history: History
) -> RenderedPrompt:
    def rendered(text: str) -> str:
        return render_text(text) if segment.template else text

    match segment:
        case StaticSegment():
            return RenderedPrompt(rendered(segment.content))
        case FileSegment():
            return _file(rendered(segment.path), read_file)
        case PreviousResponseSegment():
            return RenderedPrompt(_previous(segment, scope))
        case SessionContextSegment():
            told = history(rendered(segment.session_id or ""))
            return RenderedPrompt(as_text(last_turns(told, segment.include_last_n)))
        case ClaudeContinueSegment():
            told, new = history(rendered(segment.session_id or "")), rendered(segment.new_prompt or "")
            return RenderedPrompt("\n\n".join(text for text in (as_text(told), new) if text))
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
