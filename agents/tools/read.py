"""Read: the lines of a text file."""

import asyncio

from elexirion.agents.tools.text_file import read_text
from elexirion.agents.tools.tool import Arguments, TypedTool
from elexirion.agents.worker.workspace import Workspace
from pydantic import AliasChoices, Field

MAX_LINES = 2000
MAX_LINE = 2000
MAX_CHARACTERS = 50_000


class ReadArguments(Arguments):
    """Which lines of which file."""

    file_path: str = Field(
        validation_alias=AliasChoices("file_path", "path"), description="The file, relative to the workspace."
    )
    offset: int = Field(1, ge=1, description="The first line, counted from 1.")
    limit: int = Field(MAX_LINES, ge=1, description=f"How many lines, {MAX_LINES} at most.")


async def act(arguments: ReadArguments, workspace: Workspace) -> str:
    """The lines, each after its number and a tab; a note says where a longer file goes on."""
    text = await asyncio.to_thread(read_text, workspace, arguments.file_path)
    lines = text.splitlines()
    first = arguments.offset - 1
    wanted = lines[first : first + min(arguments.limit, MAX_LINES)]
    if not wanted:
        return f"[{arguments.file_path} has {len(lines)} lines, none from line {arguments.offset} on]"
    shown = _fitting([f"{first + n}\t{_cut(line)}" for n, line in enumerate(wanted, start=1)])
    last = first + len(shown)
    if last < len(lines):
        shown.append(f"[lines {arguments.offset} to {last} of {len(lines)}; go on with offset {last + 1}]")
    return "\n".join(shown)


def _fitting(lines: list[str]) -> list[str]:
    """As many of the first lines as fit into one answer, one at least."""
    length = 0
    for count, line in enumerate(lines):
        length += len(line) + 1
        if length > MAX_CHARACTERS and count:
            return lines[:count]
    return lines


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} [cut: {len(line) - MAX_LINE} more characters]"


READ = TypedTool(
    "Read",
    "Reads a text file. Each line comes after its number and a tab, which are not part of the file. "
    "Long files come in parts: go on with `offset`.",
    ReadArguments,
    act,
)
