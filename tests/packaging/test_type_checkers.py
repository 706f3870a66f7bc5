"""Both type checkers look into every room: a checker that finds no files reports no errors either."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.project import ROOMS, ROOT


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """The project's settings and links, over rooms that hold one wrong line each."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / ".typing", tmp_path / ".typing", symlinks=True)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
        (tmp_path / room / "number.py").write_text("NUMBER: int = 1\n")
        wrong = f"from elexirion.{room}.number import NUMBER\n\nX: str = NUMBER\n"
        (tmp_path / room / "planted.py").write_text(wrong)
    return tmp_path


@pytest.mark.parametrize("command", [["mypy", "-p", "elexirion"], ["pyright"]], ids=lambda command: command[0])
def test_a_wrong_line_is_found_in_every_room(planted: Path, command: list[str]) -> None:
    program = Path(sys.executable).with_name(command[0])
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run([program, *command[1:]], cwd=planted, capture_output=True, text=True, env=environment)
    found = {room for room in ROOMS if f"{room}/planted.py:3" in done.stdout}
    assert done.returncode == 1
    assert found == {*ROOMS}, done.stdout + done.stderr
