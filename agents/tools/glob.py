"""Glob: files by the pattern of their paths."""

import asyncio

from elexirion.agents.tools.tool import Arguments, TypedTool
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from pydantic import Field

MAX_FILES = 500


class GlobArguments(Arguments):
    """Which files, and below which folder."""

    pattern: str = Field(description="For example `**/*.py`; `**` stands for any folders, `{a,b}` for either.")
    path: str = Field(".", description="The folder below which to look, relative to the workspace.")


async def act(arguments: GlobArguments, workspace: Workspace) -> str:
    """One path a line; a note says what was left out."""
    return await asyncio.to_thread(_found, arguments, workspace)


def _found(arguments: GlobArguments, workspace: Workspace) -> str:
    found: list[str] = []
    files = workspace.glob(arguments.pattern, arguments.path)
    try:
        for file in files:
            if len(found) == MAX_FILES:
                found.append(f"[more than {MAX_FILES} files: use a narrower pattern]")
                break
            found.append(workspace.shown(file))
    except WorkspaceRefused as error:
        if not found:
            raise
        found.append(f"[not all were looked at: {error}]")
    return "\n".join(found) or "[no file matches]"


GLOB = TypedTool("Glob", "Lists files whose path matches a pattern.", GlobArguments, act)
