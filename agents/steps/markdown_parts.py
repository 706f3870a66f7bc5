"""What can be found in a text that a model wrote as Markdown, by one walk over its lines.

The text is hostile until shown otherwise: every search takes time linear in its length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

_LIST_MARKS = ("- ", "* ", "+ ", "• ")
_NUMBERED = re.compile(r"\d{1,4}[.)] ")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
# Every repetition is bounded, and no two alternatives start at the same character.
_LINK = re.compile(
    r"\[(?P<label>[^\[\]\n]{1,500})\]\((?P<target>[^\s()<>]{1,2000}(?:\([^\s()<>]{0,500}\)[^\s()<>]{0,500})?)\)"
    r"|(?P<bare>https?://[^\s<>()\[\]\"'`]{1,2000})"
)
_ADVISING_TITLES = ("recommend", "suggest", "advice", "next step", "improvement", "action item")
_ADVICE = re.compile(r"\b(?:recommend|suggest|consider|should|advise)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """A line with what it belongs to: a fenced block of code, if any, and the title above it."""

    text: str
    in_code: bool = False
    is_fence: bool = False
    language: str = ""
    title: str = ""
    is_title: bool = False


@dataclass(slots=True)
class Section:
    """A heading and the text below it; the text before the first heading has the title "" and the level 0."""

    title: str
    level: int
    lines: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The section as it stands in a result."""
        return {"title": self.title, "level": self.level, "content": "\n".join(self.lines).strip()}


def lines_of(text: str) -> Iterator[Line]:
    """The lines of the text; a fence that is never closed goes on to the end."""
    fence, language, title = "", "", ""
    for line in text.splitlines():
        bare = line.strip()
        if fence:
            closes = bare.startswith(fence) and not bare.strip(fence[0])
            yield Line(line, in_code=not closes, is_fence=closes, language=language, title=title)
            fence = "" if closes else fence
        elif opened := _opened(bare):
            fence, language = opened
            yield Line(line, is_fence=True, language=language, title=title)
        else:
            own = _title(bare)
            title = title if own is None else own
            yield Line(line, title=title, is_title=own is not None)


def code_blocks(text: str) -> list[dict[str, str]]:
    """The fenced blocks, `{"language", "code"}` each."""
    blocks: list[tuple[str, list[str]]] = []
    inside = False
    for line in lines_of(text):
        if line.is_fence:
            inside = not inside
            if inside:
                blocks.append((line.language, []))
        elif line.in_code:
            blocks[-1][1].append(line.text)
    return [{"language": language, "code": "\n".join(code)} for language, code in blocks]


def links(text: str) -> list[dict[str, str]]:
    """Links and bare addresses, `{"text", "url"}` each, every address once."""
    found: dict[str, str] = {}
    for match in _LINK.finditer(text):
        url = match["target"] or match["bare"].rstrip(".,;:!?*_")
        if not url.endswith("://"):
            found.setdefault(url, match["label"] or url)
    return [{"text": label, "url": url} for url, label in found.items()]


def key_points(text: str) -> list[str]:
    """The items of its lists; where it has none, the first sentence of each paragraph."""
    points = [item for line in _prose(text) if (item := _item(line.text)) is not None]
    return points or [sentences(paragraph)[0] for paragraph in _paragraphs(text)]


def recommendations(text: str) -> list[str]:
    """Items below a title that announces advice, and other items and sentences that advise; each once."""
    found: dict[str, None] = {}
    for line in _prose(text):
        if line.is_title:
            continue
        item = _item(line.text)
        announced = any(word in line.title.lower() for word in _ADVISING_TITLES)
        for said in sentences(line.text.strip()) if item is None else [item]:
            if (announced and item is not None) or _ADVICE.search(said):
                found[said] = None
    return list(found)


def sections(text: str) -> list[dict[str, Any]]:
    """The text cut at its headings, `{"title", "level", "content"}` each."""
    found = [Section("", 0)]
    for line in lines_of(text):
        level = 0 if line.in_code or line.is_fence else heading_level(line.text)
        if level:
            found.append(Section(line.text.strip().strip("#").strip(), level))
        else:
            found[-1].lines.append(line.text)
    as_json = [section.as_json() for section in found]
    return [section for section in as_json if section["title"] or section["content"]]


def summary(text: str, most: int) -> str:
    """The first whole sentences of the prose that fit into `most` characters; a longer sentence is cut."""
    said = [sentence for paragraph in _paragraphs(text) for sentence in sentences(paragraph)]
    # The space between two sentences counts; before the first there is none.
    lengths = accumulate((len(sentence) + 1 for sentence in said), initial=-1)
    fitting = sum(1 for length in lengths if length <= most) - 1
    if fitting or not said:
        return " ".join(said[:fitting])
    return said[0][: most - 1].rstrip() + "…"


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph; an empty one is one empty sentence."""
    return _SENTENCE_END.split(paragraph.strip())


def heading_level(line: str) -> int:
    """1 to 6 for a heading of that level, 0 for any other line."""
    level = len(line) - len(line.lstrip("#"))
    return level if level <= 6 and line[level : level + 1] == " " else 0


def list_mark(line: str) -> str | None:
    """The mark that makes a line an item of a list, with its space; None where there is none."""
    bare = line.lstrip()
    if not bare.strip("*- _"):
        return None  # a rule across the page
    if bare.startswith(_LIST_MARKS):
        return bare[:2]
    number = _NUMBERED.match(bare)
    return number[0] if number else None


def _prose(text: str) -> Iterator[Line]:
    return (line for line in lines_of(text) if not line.in_code and not line.is_fence and line.text.strip())


def _paragraphs(text: str) -> list[str]:
    """The prose without headings, one text for each run of lines."""
    paragraphs: list[list[str]] = [[]]
    for line in lines_of(text):
        bare = line.text.strip()
        if not bare or line.in_code or line.is_fence or heading_level(line.text):
            paragraphs.append([])
            continue
        item = _item(line.text)
        paragraphs[-1].append(" ".join((bare if item is None else item).split()))
    return [" ".join(lines) for lines in paragraphs if any(lines)]


def _item(line: str) -> str | None:
    mark = list_mark(line)
    return None if mark is None else line.lstrip()[len(mark) :].strip()


def _opened(bare: str) -> tuple[str, str] | None:
    """The fence that closes the one that this line opens, and the language it names; None for any other line."""
    if not bare.startswith(("```", "~~~")):
        return None
    rest = bare.lstrip(bare[0])
    if "`" in rest and bare[0] == "`":
        return None  # code within a line
    words = rest.split(maxsplit=1)
    return bare[: len(bare) - len(rest)], words[0] if words else ""


def _title(bare: str) -> str | None:
    """A heading, a line in bold, or a short line that ends with a colon; None for any other."""
    if heading_level(bare):
        return bare.strip("#").strip()
    is_label = bare.endswith((":", ":**")) or (bare.startswith("**") and bare.endswith("**"))
    return bare.strip("*: ") if is_label and len(bare) <= 80 and list_mark(bare) is None else None
