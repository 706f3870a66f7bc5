"""A step's output file is whole or not there, and never outside the worker's folder."""

from pathlib import Path
from typing import Any

import pytest
from elexirion.agents.steps.port import StepError
from elexirion.agents.worker.output_file import write_output


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's folder, with a neighbour beside it."""
    own = tmp_path / "worker"
    own.mkdir()
    (tmp_path / "outside").mkdir()
    monkeypatch.chdir(own)
    return own


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("grüße", "grüße"), ({"a": [1]}, '{\n  "a": [\n    1\n  ]\n}\n'),
        (None, "null\n"), ({"text": "", "b": 5}, '{\n  "text": "",\n  "b": 5\n}\n'),
    ],
)  # fmt: skip
async def test_text_is_written_as_it_is_and_anything_else_as_json(folder: Path, result: Any, content: str) -> None:
    await write_output("deep/er/out.md", result, trusted=False)
    assert (folder / "deep/er/out.md").read_text(encoding="utf-8") == content
    assert names(folder / "deep/er") == ["out.md"]


async def test_a_file_that_is_there_is_replaced(folder: Path) -> None:
    await write_output("out.md", "long before", trusted=False)
    await write_output("out.md", "now", trusted=False)
    assert (folder / "out.md").read_text(encoding="utf-8") == "now"


@pytest.mark.parametrize("path", ["../outside/x.md", "a/../../outside/x.md", "link/x.md", "filelink"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_relative_path_does_not_leave_the_folder(folder: Path, path: str, trusted: bool) -> None:
    outside = folder.parent / "outside"
    (folder / "link").symlink_to(outside)
    (outside / "there.md").write_text("mine", encoding="utf-8")
    (folder / "filelink").symlink_to(outside / "there.md")
    with pytest.raises(StepError, match=r"leaves this worker's folder"):
        await write_output(path, "x", trusted=trusted)
    assert names(outside) == ["there.md"]
    assert (outside / "there.md").read_text(encoding="utf-8") == "mine"


async def test_an_absolute_path_needs_trust(folder: Path) -> None:
    target = folder.parent / "outside" / "x.md"
    with pytest.raises(StepError, match="outside this worker's folder"):
        await write_output(str(target), "x", trusted=False)
    assert not target.exists()
    await write_output(str(target), "x", trusted=True)
    assert target.read_text(encoding="utf-8") == "x"


async def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(folder: Path) -> None:
    (folder / "taken").mkdir()
    with pytest.raises(StepError, match="output file taken could not be written"):
        await write_output("taken", "x", trusted=False)
    assert names(folder) == ["taken"]
