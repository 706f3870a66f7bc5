"""Tools that look for files and lines: what they find, within which bounds, and where they do not look."""

from pathlib import Path
from typing import Any

import pytest
from elexirion.agents.tools import glob, grep, ls
from elexirion.agents.tools.tool import ToolFailed
from elexirion.agents.worker.workspace import Workspace

from tests.agents.tools.using import failed, used


@pytest.fixture
def tree(space: Workspace) -> Path:
    """A small project, with links that lead out of it."""
    files = {"main.py": "import os\nprint('Hallo')\n", "lib/deep.py": "def hello():\n    pass\n", "notes.md": "hello\n"}
    for name, text in files.items():
        (space.start / name).parent.mkdir(exist_ok=True)
        (space.start / name).write_text(text, encoding="utf-8")
    (space.start / "data.bin").write_bytes(b"hello\0")
    (space.start / "out").symlink_to(space.base.parent / "neighbour")
    (space.start / "outfile").symlink_to(space.base.parent / "neighbour/secret.txt")
    return space.start


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("**/*.py", ".", "lib/deep.py\nmain.py"), ("*.{py,md}", ".", "main.py\nnotes.md"), ("*", "lib", "lib/deep.py"),
        ("**/*.txt", ".", "[no file matches]"), ("*.py", "./workspace/lib", "lib/deep.py"),
    ],
)  # fmt: skip
async def test_glob_lists_files_by_their_pattern(
    space: Workspace, tree: Path, pattern: str, path: str, found: str
) -> None:
    assert sorted((await used("Glob", space, pattern=pattern, path=path)).splitlines()) == sorted(found.splitlines())


async def test_glob_is_bounded_and_says_so(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glob, "MAX_FILES", 2)
    for name in "abc":
        (space.start / name).touch()
    assert await used("Glob", space, pattern="*") == "a\nb\n[more than 2 files: use a narrower pattern]"


async def test_ls_lists_a_folder(space: Workspace, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await used("LS", space) == "data.bin\nlib/\nmain.py\nnotes.md\nout\noutfile"
    assert await used("LS", space, path="lib") == "deep.py"
    (tree / "empty").mkdir()
    assert await used("LS", space, path="empty") == "[the folder is empty]"
    monkeypatch.setattr(ls, "MAX_ENTRIES", 2)
    assert await used("LS", space) == "data.bin\nempty/\n[and 5 more]"


@pytest.mark.parametrize("tool", ["Glob", "Grep", "LS"])
@pytest.mark.parametrize("path", ["..", "/etc", "out", "outfile", "../../neighbour", "none"])
async def test_no_search_leaves_the_workspace(space: Workspace, tree: Path, tool: str, path: str) -> None:
    arguments: dict[str, Any] = {} if tool == "LS" else {"pattern": "*" if tool == "Glob" else "."}
    said = await failed(tool, space, path=path, **arguments)
    assert "secret.txt" not in said


# Grep -----------------------------------------------------------------------------------------------------


async def test_grep_finds_lines_in_text_files_alone(space: Workspace, tree: Path) -> None:
    found = await used("Grep", space, pattern="h[ae]llo")
    assert sorted(found.splitlines()) == ["lib/deep.py:1:def hello():", "notes.md:1:hello"]
    spelled: dict[str, Any] = {"-i": True}
    found = await used("Grep", space, pattern="hallo", **spelled)
    assert found == "main.py:2:print('Hallo')"
    assert await used("Grep", space, pattern="secret") == "[no line matches]"


async def test_grep_looks_where_it_is_told_and_shows_what_it_is_asked_for(space: Workspace, tree: Path) -> None:
    assert await used("Grep", space, pattern="hello", glob="**/*.py") == "lib/deep.py:1:def hello():"
    assert await used("Grep", space, pattern="hello", path="notes.md") == "notes.md:1:hello"
    assert await used("Grep", space, pattern="hello", path="lib", output_mode="files_with_matches") == "lib/deep.py"
    assert await used("Grep", space, pattern="^", path="main.py", output_mode="count") == "main.py:2"


async def test_grep_stops_after_enough_matches_and_says_so(
    space: Workspace, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "many").write_text("hit\n" * 100_000, encoding="utf-8")
    monkeypatch.setattr(grep, "MAX_MATCHES", 3)
    assert await used("Grep", space, pattern="hit") == (
        "many:1:hit\nmany:2:hit\nmany:3:hit\n[more than 2 matches: use a narrower pattern]"
    )
    monkeypatch.setattr(grep, "MAX_TOTAL_BYTES", 20)
    assert "not all files were searched" in await used("Grep", space, pattern="nothing")


async def test_grep_shows_the_beginning_of_long_lines(space: Workspace) -> None:
    (space.start / "wide").write_text("hit" + "ö" * 1_000_000, encoding="utf-8")
    assert len(await used("Grep", space, pattern="hit")) == len("wide:1:") + 500


@pytest.mark.timeout(20)
async def test_grep_ends_a_pattern_that_would_run_for_ever(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grep, "DEADLINE_S", 1.0)
    (space.start / "a").write_text("a" * 60, encoding="utf-8")
    assert "took longer than 1 s" in await failed("Grep", space, pattern="(a+)+b")


@pytest.mark.parametrize("pattern", ["(", "*", "(?<=a+)b"])
async def test_grep_says_that_a_pattern_is_none(space: Workspace, tree: Path, pattern: str) -> None:
    assert "not a regular expression" in await failed("Grep", space, pattern=pattern)


async def test_names_that_are_no_text_do_not_end_the_search(space: Workspace) -> None:
    (space.start / "bad\udcff").write_text("hit\n", encoding="utf-8")
    assert await used("Grep", space, pattern="hit") == "bad?:1:hit"
    assert await used("LS", space) == "bad?"


async def test_arguments_that_no_tool_knows_are_an_error_and_not_a_crash(space: Workspace) -> None:
    with pytest.raises(ToolFailed, match="pattern: Field required"):
        await used("Grep", space)
