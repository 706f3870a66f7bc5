"""How the tests of tools use one: in a workspace below a temporary folder."""

from pathlib import Path
from typing import Any

import pytest
from elexirion.agents.settings import Settings
from elexirion.agents.tools.registry import toolbox
from elexirion.agents.tools.tool import ToolFailed
from elexirion.agents.worker.workspace import Workspace


def a_workspace(base: Path, **settings: Any) -> Workspace:
    """The folders of a run in `base`; paths start in its workspace, which is made."""
    said = {"base": str(base), "workspace_dir": "./workspace", "output_dir": "./outputs", "read_roots": []}
    return Workspace.of({"workspace": said}, Settings(trust_run_folders=True, **settings)).at()


async def used(tool: str, workspace: Workspace, _settings: Settings | None = None, **arguments: Any) -> str:
    """The tool's answer."""
    return await toolbox(_settings or Settings())[tool].run(arguments, workspace)


async def failed(tool: str, workspace: Workspace, _settings: Settings | None = None, **arguments: Any) -> str:
    """What the tool says of its failure; the test fails where there is none."""
    with pytest.raises(ToolFailed) as raised:
        await used(tool, workspace, _settings, **arguments)
    return str(raised.value)
