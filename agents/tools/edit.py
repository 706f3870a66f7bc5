"""Edit: an exact piece of a file's text is replaced."""

import asyncio

from elexirion.agents.tools.text_file import read_text
from elexirion.agents.tools.tool import Arguments, ToolFailed, TypedTool
from elexirion.agents.worker.workspace import Workspace
from pydantic import AliasChoices, Field


class EditArguments(Arguments):
    """What is replaced by what, in which file."""

    file_path: str = Field(
        validation_alias=AliasChoices("file_path", "path"), description="The file, relative to the workspace."
    )
    old_string: str = Field(min_length=1, description="The text to replace, exactly as the file holds it.")
    new_string: str = Field(description="The text that takes its place.")
    replace_all: bool = Field(False, description="Whether every occurrence is replaced.")


async def act(arguments: EditArguments, workspace: Workspace) -> str:
    """Replace the one occurrence, or all; raises ToolFailed where there is none, or more than were meant."""
    return await asyncio.to_thread(_edited, arguments, workspace)


def _edited(arguments: EditArguments, workspace: Workspace) -> str:
    place = workspace.writable(arguments.file_path)
    if not place.exists():
        raise ToolFailed(f"there is no file `{arguments.file_path}` that may be written: make it with Write")
    text = read_text(workspace, place)
    count = text.count(arguments.old_string)
    if arguments.old_string == arguments.new_string:
        raise ToolFailed("old_string and new_string are the same")
    if not count:
        raise ToolFailed(f"old_string does not occur in `{arguments.file_path}`: give it exactly as it stands there")
    if count > 1 and not arguments.replace_all:
        raise ToolFailed(f"old_string occurs {count} times: give more of the text around it, or set replace_all")
    content = text.replace(arguments.old_string, arguments.new_string)
    workspace.write_bytes(place, content.encode(errors="replace"))
    return f"edited {workspace.shown(place)} ({count} {'place' if count == 1 else 'places'})"


EDIT = TypedTool(
    "Edit",
    "Replaces a piece of text in a file. `old_string` has to stand there exactly once, "
    "unless `replace_all` is set; line numbers of Read are not part of the text.",
    EditArguments,
    act,
)
