"""Every example is a pipeline without a warning, and runs to its end without a network."""

import json
from pathlib import Path

import pytest
from elexirion.pipelines.loader import load_file

from tests.serving import ROOT, CommandLine

EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_without_a_warning_and_needs_no_input(path: Path) -> None:
    loaded = load_file(path)
    assert [str(warning) for warning in loaded.warnings] == []
    assert loaded.needed_inputs == ()


def test_the_command_line_agrees(tmp_path: Path) -> None:
    line = CommandLine(tmp_path, {"ELEXIRION_HOME": str(tmp_path / "home")})
    document = line.json("validate", "--strict", *EXAMPLES)
    assert [file["file"] for file in document["files"] if not file["valid"]] == []
    assert len(document["files"]) == len(EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_offline_to_its_end(served: CommandLine, path: Path) -> None:
    called = served("run", path, "--offline", "--json", timeout_s=90)
    document = json.loads(called.stdout)
    assert document["status"] == "completed", called.stdout + called.stderr
    assert document["result"] is not None or path.stem == "delay"
