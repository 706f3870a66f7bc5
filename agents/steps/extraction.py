"""What `extraction_config` takes out of an answer: pure, and linear in the answer's length.

The result is the value alone, unless something comes with it: what was extracted besides, metadata or a warning.
Then it is `{"content": value, "format": …}` with these beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from elexirion.agents.steps.markdown_parts import (
    code_blocks,
    heading_level,
    key_points,
    lines_of,
    links,
    list_mark,
    recommendations,
    sections,
    summary,
)
from elexirion.pipelines.extraction import ExtractionFormat, PostProcessing
from elexirion.pipelines.json_text import parsed, text_of

NOT_JSON = "the answer is not JSON, so it is given as text"


class NothingSaid(Exception):  # noqa: N818 - what happened, like every event
    """An answer without content under the post-processing `validate`."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """The config of an extraction; `max_summary_length` in characters."""

    format: ExtractionFormat = "text"
    post_processing: Sequence[PostProcessing] = ()
    max_summary_length: int = 500
    include_metadata: bool = False
    schema: dict[str, Any] | None = None


def extracted(answer: Any, wanted: Extraction, about: Mapping[str, Any]) -> Any:
    """The extracted value of an answer, text or data; `about` becomes part of the metadata. Raises NothingSaid."""
    text, beside = _processed(text_of(answer), wanted)
    if wanted.include_metadata:
        counts = {"characters": len(text), "words": len(text.split()), "lines": len(text.splitlines())}
        beside["metadata"] = {**counts, **about}
    match wanted.format:
        case "text":
            return _with("text", text, beside)
        case "markdown":
            return _with("markdown", tidied(text), beside)
        case "summary":
            return _with("summary", summary(text, wanted.max_summary_length), beside)
        case "json":
            value, is_json = _data(answer)
            return _with("json", value, beside) if is_json else _not_json(text, beside)
        case "structured":
            value, is_json = _data(answer)
            whole = {"content": text, "format": "structured", "sections": sections(text), **beside}
            return _with("structured", value, beside) if is_json else whole
        case _:
            assert_never(wanted.format)


def tidied(text: str) -> str:
    """Markdown in one style: `-` for items, a blank line around headings, never two, none at the ends."""
    lines: list[str] = []
    after_heading = False
    for line in lines_of(text):
        if line.in_code or line.is_fence:
            lines.append(line.text if line.in_code else line.text.rstrip())
            after_heading = False
            continue
        tidy = _tidy(line.text)
        heading = heading_level(tidy) > 0
        if (heading or (after_heading and tidy)) and lines and lines[-1]:
            lines.append("")
        if tidy or (lines and lines[-1]):
            lines.append(tidy)
        after_heading = heading or (after_heading and not tidy)
    return "\n".join(lines).strip("\n")


def _processed(text: str, wanted: Extraction) -> tuple[str, dict[str, Any]]:
    """The text, and what was taken out of it; each in the order of the file."""
    beside: dict[str, Any] = {}
    for name in wanted.post_processing:
        match name:
            case "trim":
                text = text.strip()
            case "format_markdown":
                text = tidied(text)
            case "validate":
                if not text.strip():
                    raise NothingSaid
            case "extract_code_blocks":
                beside["code_blocks"] = code_blocks(text)
            case "extract_links":
                beside["links"] = links(text)
            case "extract_key_points":
                beside["key_points"] = key_points(text)
            case "extract_recommendations":
                beside["recommendations"] = recommendations(text)
            case "generate_summary":
                beside["summary"] = summary(text, wanted.max_summary_length)
            case _:
                assert_never(name)
    return text, beside


def _with(form: str, value: Any, beside: Mapping[str, Any]) -> Any:
    return {"content": value, "format": form, **beside} if beside else value


def _not_json(text: str, beside: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": text, "format": "text", **beside, "warnings": [NOT_JSON]}


def _data(answer: Any) -> tuple[Any, bool]:
    """The data of an answer, and whether it is any."""
    value = parsed(answer) if isinstance(answer, str) else answer
    return value, value is not None or answer is None or str(answer).strip() == "null"


def _tidy(line: str) -> str:
    mark = list_mark(line)
    indent = line[: len(line) - len(line.lstrip())]
    if mark is None or mark[0].isdigit():
        return line.rstrip()
    return f"{indent}- {line.lstrip()[len(mark) :].strip()}".rstrip()
