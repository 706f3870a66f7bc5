"""LS: what a folder holds."""

import asyncio

from elexirion.agents.tools.tool import Arguments, TypedTool
from elexirion.agents.worker.workspace import Workspace
from pydantic import Field

MAX_ENTRIES = 1000


class LsArguments(Arguments):
    """Which folder."""

    path: str = Field(".", description="The folder, relative to the workspace.")


async def act(arguments: LsArguments, workspace: Workspace) -> str:
    """One name a line, folders with a slash behind them; a note says how many were left out."""
    entries = await asyncio.to_thread(workspace.entries, arguments.path)
    left_out = len(entries) - MAX_ENTRIES
    shown = list(entries[:MAX_ENTRIES])
    if left_out > 0:
        shown.append(f"[and {left_out} more]")
    return "\n".join(shown) or "[the folder is empty]"


LS = TypedTool("LS", "Lists the files and folders in a folder.", LsArguments, act)
