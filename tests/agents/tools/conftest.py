"""A workspace of its own for each test of a tool."""

from pathlib import Path

import pytest
from elexirion.agents.worker.workspace import Workspace

from tests.agents.tools.using import a_workspace


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """The folders of a run in `tmp_path/run`, beside a neighbour with a secret."""
    (tmp_path / "run").mkdir()
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour/secret.txt").write_text("secret", encoding="utf-8")
    return a_workspace(tmp_path / "run")
