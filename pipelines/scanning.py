"""A template's text cut into what is literal and what stands in braces."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from elexirion.pipelines.template_errors import TemplateInvalid

Kind = Literal["literal", "expression", "statement", "comment", "raw"]
_OPEN = re.compile(r"\{\{|\{%|\{#")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_IN_EXPRESSION = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\}\}|%\}|[{}()\[\]]""", re.DOTALL)
_MAX_BRACKETS = 50
_CLOSING = {"expression": "}}", "statement": "%}"}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a template; `text` is the whole piece, `inner` what stands between the braces."""

    kind: Kind
    text: str
    inner: str


def spans(source: str) -> Iterator[Span]:
    """The pieces of a template in order; raises TemplateInvalid for a brace that nothing closes."""
    position = 0
    while (opening := _OPEN.search(source, position)) is not None:
        start = opening.start()
        if start > position:
            yield Span("literal", source[position:start], source[position:start])
        span = _span(source, start)
        yield span
        position = start + len(span.text)
    if position < len(source):
        yield Span("literal", source[position:], source[position:])


def _span(source: str, start: int) -> Span:
    raw = _RAW.match(source, start)
    if raw is not None:
        return _until(source, start, _END_RAW.search(source, raw.end()), "raw", "{% raw %}")
    match source[start : start + 2]:
        case "{#":
            return _until(source, start, re.compile("#}").search(source, start), "comment", "{#")
        case "{%":
            return _balanced(source, start, "statement")
        case _:
            return _balanced(source, start, "expression")


def _until(source: str, start: int, closing: re.Match[str] | None, kind: Kind, opened: str) -> Span:
    if closing is None:
        raise TemplateInvalid(f"`{opened}` is never closed", _line(source, start))
    text = source[start : closing.end()]
    return Span(kind, text, text)


def _balanced(source: str, start: int, kind: Kind) -> Span:
    depth = 0
    for token in _IN_EXPRESSION.finditer(source, start + 2):
        text = token[0]
        if text == _CLOSING[kind] and depth == 0:
            return Span(kind, source[start : token.end()], source[start + 2 : token.start()])
        if text == "}}":
            # Two mappings end here, or a mapping and the expression.
            if depth == 1:
                return _mapping_end(source, start, kind, token)
            depth -= 2
        elif text in ("{", "(", "["):
            depth += 1
            if depth > _MAX_BRACKETS:
                raise TemplateInvalid(f"more than {_MAX_BRACKETS} brackets inside one another", _line(source, start))
        elif text in ("}", ")", "]"):
            depth = max(depth - 1, 0)
    opened = source[start : start + 2]
    raise TemplateInvalid(
        f"`{opened}` is never closed", _line(source, start), "write `template: false` for text that is no template"
    )


def _mapping_end(source: str, start: int, kind: Kind, token: re.Match[str]) -> Span:
    end = token.start() + 1
    closing = _CLOSING[kind]
    if source.startswith(closing, end):
        return Span(kind, source[start : end + 2], source[start + 2 : end])
    raise TemplateInvalid("brackets do not match", _line(source, start))


def _line(source: str, position: int) -> int:
    return source.count("\n", 0, position) + 1
