"""The code blocks of a page, as its readers would use them.

`sh` blocks are typed in as they stand. `console` blocks have `$ ` before each command and what it prints below.
`yaml`, `python` and `json` blocks are files; their first line names the file. A block without a language is a picture.
A comment `<!-- needs: … -->` above a block says what a test cannot have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?:<!-- needs: (?P<needs>[\w ]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
FILES = frozenset({"yaml", "python", "json"})


@dataclass(frozen=True, slots=True)
class Typed:
    """A command line, and what the page shows below it; None where it shows nothing."""

    line: str
    shown: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """One code block; `above` is the line of text before it."""

    number: int
    heading: str
    above: str
    language: str
    text: str
    needs: str | None

    def __str__(self) -> str:
        return f"{self.number}-{self.heading.lower().replace(' ', '-')}"

    @property
    def file_name(self) -> str | None:
        """The file that the block is."""
        named = re.match(r"# (\S+\.\w+)\n", self.text)
        return named[1] if named and self.language in FILES else None

    @property
    def typed(self) -> list[Typed]:
        """The commands in order; an `sh` block is one, as it stands."""
        if self.language == "sh":
            return [Typed(self.text, None)]
        if self.language != "console":
            return []
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
        assert not parts[0], f"block {self}: a console block begins with a command"
        lines = (part.partition("\n") for part in parts[1:])
        return [Typed(line, shown) for line, _, shown in lines]


def blocks(page: Path) -> list[Block]:
    """All code blocks of the page in order."""
    text, found = page.read_text("utf-8"), []
    for number, match in enumerate(FENCE.finditer(text), 1):
        before = text[: match.start()]
        headings = re.findall(r"^#+ (.+)$", FENCE.sub("", before), re.MULTILINE)
        above = before.rstrip().rpartition("\n")[2]
        found.append(Block(number, headings[-1], above, match["language"], match["text"], match["needs"]))
    return found
