"""Write: a whole file."""

import asyncio

from elexirion.agents.tools.tool import Arguments, TypedTool
from elexirion.agents.worker.workspace import Workspace
from pydantic import AliasChoices, Field


class WriteArguments(Arguments):
    """What goes where."""

    file_path: str = Field(
        validation_alias=AliasChoices("file_path", "path"), description="The file, relative to the workspace."
    )
    content: str = Field(description="All that the file will hold.")


async def act(arguments: WriteArguments, workspace: Workspace) -> str:
    """Make the file, or put the content in its place; the file is whole at any time."""
    return await asyncio.to_thread(_written, arguments, workspace)


def _written(arguments: WriteArguments, workspace: Workspace) -> str:
    content = arguments.content.encode(errors="replace")
    was_there = workspace.writable(arguments.file_path).exists()
    place = workspace.write_bytes(arguments.file_path, content)
    return f"{'replaced' if was_there else 'wrote'} {workspace.shown(place)} ({len(content)} bytes)"


WRITE = TypedTool(
    "Write",
    "Writes a text file whole, in place of one that is there; missing folders are made. "
    "Use a path relative to the workspace.",
    WriteArguments,
    act,
)
