"""Tools that read and write files: what they answer, and what they do not touch."""

from typing import Any

import pytest
from elexirion.agents.settings import Settings
from elexirion.agents.tools.registry import toolbox
from elexirion.agents.tools.tool import MAX_RESULT, declared
from elexirion.agents.worker.workspace import Workspace
from jsonschema import Draft202012Validator

from tests.agents.tools.using import a_workspace, failed, used

FILE_TOOLS: dict[str, dict[str, Any]] = {
    "Read": {}, "Write": {"content": "x"}, "Edit": {"old_string": "secret", "new_string": "x"},
}  # fmt: skip


def test_each_tool_is_declared_with_a_schema_of_its_arguments() -> None:
    for name, tool in toolbox(Settings()).items():
        declaration = declared(tool)
        Draft202012Validator.check_schema(declaration["parameters"])
        assert (declaration["name"], declaration["parameters"]["type"]) == (name, "object")
        assert declaration["description"]
        assert declaration["parameters"]["additionalProperties"] is False


@pytest.mark.parametrize("tool", FILE_TOOLS)
@pytest.mark.parametrize(
    "path", ["/etc/hosts", "../../neighbour/secret.txt", "link/secret.txt", "filelink", "../outside.txt", "", "\0"]
)
async def test_no_tool_leaves_the_folders_of_its_run(space: Workspace, tool: str, path: str) -> None:
    outside = space.base.parent / "neighbour"
    (space.start / "link").symlink_to(outside)
    (space.start / "filelink").symlink_to(outside / "secret.txt")
    said = await failed(tool, space, file_path=path, **FILE_TOOLS[tool])
    assert str(space.base) not in said
    assert (outside / "secret.txt").read_text(encoding="utf-8") == "secret"
    assert sorted(one.name for one in space.base.parent.rglob("*.txt")) == ["secret.txt"]


# Read -----------------------------------------------------------------------------------------------------


async def test_read_gives_numbered_lines(space: Workspace) -> None:
    (space.start / "a.txt").write_bytes("eins\r\nzwö\n\nvier".encode())
    assert await used("Read", space, file_path="a.txt") == "1\teins\n2\tzwö\n3\t\n4\tvier"
    assert await used("Read", space, path="./workspace/a.txt", offset=2, limit=1) == (
        "2\tzwö\n[lines 2 to 2 of 4; go on with offset 3]"
    )
    assert await used("Read", space, file_path="a.txt", offset=9) == "[a.txt has 4 lines, none from line 9 on]"


async def test_read_is_bounded_in_lines_their_length_and_the_whole(space: Workspace) -> None:
    (space.start / "many").write_text("x\n" * 5000, encoding="utf-8")
    assert (await used("Read", space, file_path="many")).endswith("[lines 1 to 2000 of 5000; go on with offset 2001]")
    (space.start / "wide").write_text("y" * 10_000 + "\n" + "z", encoding="utf-8")
    assert "[cut: 8000 more characters]\n2\tz" in await used("Read", space, file_path="wide")
    (space.start / "both").write_text(("y" * 1999 + "\n") * 1000, encoding="utf-8")
    both = await used("Read", space, file_path="both")
    assert 40_000 < len(both) < MAX_RESULT
    assert "of 1000; go on with offset 25]" in both


async def test_read_refuses_what_is_no_text_or_too_large(space: Workspace, tmp_path: object) -> None:
    (space.start / "binary").write_bytes(b"a\0b")
    (space.start / "latin").write_bytes(b"gr\xfc\xdfe")
    assert "binary file of 3 bytes" in await failed("Read", space, file_path="binary")
    assert "not text in UTF-8 (byte 2)" in await failed("Read", space, file_path="latin")
    assert "no file or folder `none`" in await failed("Read", space, file_path="none")
    assert "is a folder" in await failed("Read", space, file_path="../outputs/../workspace")
    small = a_workspace(space.base, file_limit_bytes=2)
    assert "larger than 2 bytes" in await failed("Read", small, file_path="binary")


# Write ----------------------------------------------------------------------------------------------------


async def test_write_makes_a_file_and_replaces_it(space: Workspace) -> None:
    assert await used("Write", space, file_path="deep/er/a.txt", content="grün") == "wrote deep/er/a.txt (5 bytes)"
    assert await used("Write", space, file_path="deep/er/a.txt", content="") == "replaced deep/er/a.txt (0 bytes)"
    await used("Write", space, file_path="./outputs/x", content="o")
    assert (space.base / "outputs/x").read_text(encoding="utf-8") == "o"
    assert (space.start / "deep/er/a.txt").read_bytes() == b""


async def test_write_is_bounded(space: Workspace) -> None:
    small = a_workspace(space.base, file_limit_bytes=10)
    assert "larger than 10 bytes" in await failed("Write", small, file_path="a", content="x" * 11)
    assert list(space.start.iterdir()) == []


async def test_arguments_that_do_not_fit_are_told(space: Workspace) -> None:
    said = await failed("Write", space, file_path="a", text="x")
    assert "content: Field required" in said
    assert "text: Extra inputs are not permitted" in said


# Edit -----------------------------------------------------------------------------------------------------


async def test_edit_replaces_the_one_place_and_keeps_the_rest(space: Workspace) -> None:
    (space.start / "a.py").write_bytes(b"x = 1\r\ny = {{ 2 }}\r\n")
    said = await used("Edit", space, file_path="a.py", old_string="{{ 2 }}", new_string=r"\1")
    assert said == "edited a.py (1 place)"
    assert (space.start / "a.py").read_bytes() == b"x = 1\r\ny = \\1\r\n"


async def test_edit_replaces_several_places_only_when_told_to(space: Workspace) -> None:
    (space.start / "a").write_text("ab ab ab", encoding="utf-8")
    said = await failed("Edit", space, file_path="a", old_string="ab", new_string="c")
    assert "occurs 3 times" in said
    assert (space.start / "a").read_text(encoding="utf-8") == "ab ab ab"
    await used("Edit", space, file_path="a", old_string="ab", new_string="c", replace_all=True)
    assert (space.start / "a").read_text(encoding="utf-8") == "c c c"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("none", "x", "does not occur"), ("a", "a", "are the same"), ("", "x", "old_string")],
)
async def test_edit_says_why_nothing_was_replaced(space: Workspace, old: str, new: str, said: str) -> None:
    (space.start / "a").write_text("a", encoding="utf-8")
    assert said in await failed("Edit", space, file_path="a", old_string=old, new_string=new)
    assert "make it with Write" in await failed("Edit", space, file_path="b", old_string="x", new_string="y")
    assert (space.start / "a").read_text(encoding="utf-8") == "a"
