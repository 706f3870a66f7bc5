"""file_ops on real files: what each operation does, what it gives, and that nothing is half done."""

import asyncio
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import StepError
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from elexirion.pipelines.names import Scope

from tests.agents.running import config_of, pipeline_of, refusal_of, result_of
from tests.agents.working import until
from tests.pipelines.files import errors_of

FOLDERS = {"workspace_dir": "./workspace", "output_dir": "./outputs", "read_roots": ["."]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's folder with a workspace in it, and a neighbour beside it."""
    own = tmp_path / "worker"
    (own / "workspace").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret", encoding="utf-8")
    monkeypatch.chdir(own)
    return own


def put(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / "workspace" / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def tree(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in found}


def configured(**keys: Any) -> dict[str, Any]:
    pipeline = pipeline_of({"name": "f", "type": "file_ops", **keys})
    return {**config_of(pipeline, "f"), "workspace": FOLDERS}


async def done(**keys: Any) -> Any:
    return await result_of("file_ops", configured(**keys))


async def refused(**keys: Any) -> str:
    return await refusal_of("file_ops", configured(**keys))


async def test_write_and_read_a_file(folder: Path) -> None:
    assert await done(operation="write", path="a/b.txt", content="grüße") == {"path": "workspace/a/b.txt", "size": 7}
    assert await done(operation="read", path="a/b.txt") == "grüße"
    await done(operation="write", path="outputs/r.yaml", content={"a": [1]})
    assert tree(folder) == {"outputs/r.yaml": "a:\n- 1\n", "workspace/a/b.txt": "grüße"}
    assert await done(operation="read", path="outputs/r.yaml", format="yaml") == {"a": [1]}
    both = await done(operation="read", files=["a/b.txt", "outputs/r.yaml"])
    assert list(both.values()) == ["grüße", "a:\n- 1\n"]


async def test_content_and_paths_are_templates_and_data_is_not(folder: Path) -> None:
    step = {
        "name": "f",
        "type": "file_ops",
        "operation": "write",
        "path": "{{ inputs.n }}.json",
        "content": "{{ inputs.v }}",
    }
    scope = Scope(inputs={"n": "x", "v": ["{{ 1 + 1 }}"]})
    config = {**config_of(pipeline_of(step, inputs={"n": {}, "v": {}}), "f", scope), "workspace": FOLDERS}
    await result_of("file_ops", config)
    assert tree(folder) == {"workspace/x.json": '[\n  "{{ 1 + 1 }}"\n]\n'}


async def test_copy_takes_a_file_a_folder_a_pattern_or_pairs(folder: Path) -> None:
    put(folder, a_DOT_txt="1", src__b_DOT_py="2", src__deep__c_DOT_py="3", src__d_DOT_md="4")
    assert await done(operation="copy", source="a.txt", destination="b.txt") == {
        "files": [{"source": "workspace/a.txt", "destination": "workspace/b.txt", "size": 1}], "count": 1,
    }  # fmt: skip
    await done(operation="copy", source="a.txt", destination="into/")
    await done(operation="copy", source="src", destination="copy")
    await done(operation="copy", pattern="src/**/*.py", exclude="deep/**", destination="outputs/py")
    await done(operation="copy", source=["src", "a.txt"], destination="both")
    await done(
        operation="copy",
        files=[{"source": "a.txt", "destination": "p/1"}, {"source": "src/d.md", "destination": "p/2"}],
    )
    found = tree(folder)
    assert found["workspace/b.txt"] == found["workspace/into/a.txt"] == "1"
    assert {name for name in found if "copy/" in name} == {f"workspace/copy/{n}" for n in ("b.py", "deep/c.py", "d.md")}
    assert {name for name in found if "outputs/" in name} == {"outputs/py/b.py"}
    assert {name for name in found if "both/" in name} == {
        f"workspace/both/{n}" for n in ("a.txt", "src/b.py", "src/deep/c.py", "src/d.md")
    }
    assert (found["workspace/p/1"], found["workspace/p/2"]) == ("1", "4")


async def test_move_leaves_nothing_behind(folder: Path) -> None:
    put(folder, src__a_DOT_txt="1", src__deep__b_DOT_txt="2")
    result = await done(operation="move", source="src", destination="new")
    assert result["count"] == 2
    assert tree(folder) == {"workspace/new/a.txt": "1", "workspace/new/deep/b.txt": "2"}
    assert not (folder / "workspace" / "src").exists()


async def test_delete_names_what_is_gone_and_what_was_not_there(folder: Path) -> None:
    put(folder, a_DOT_tmp="1", b_DOT_txt="2", d__c_DOT_tmp="3")
    result = await done(operation="delete", files=["b.txt", "nope.txt", {"pattern": "**/*.tmp"}])
    assert result == {
        "deleted": [f"workspace/{name}" for name in ("a.tmp", "b.txt", "d/c.tmp")],
        "missing": ["nope.txt"],
        "count": 3,
    }
    again = await done(operation="delete", path="b.txt")
    assert again == {"deleted": [], "missing": ["b.txt"], "count": 0}


async def test_a_folder_is_deleted_only_on_demand(folder: Path) -> None:
    put(folder, d__e__f_DOT_txt="1")
    assert "say `recursive: true`" in await refused(operation="delete", path="d")
    assert tree(folder) == {"workspace/d/e/f.txt": "1"}
    assert (await done(operation="delete", path="d", recursive=True))["count"] == 1
    assert list((folder / "workspace").iterdir()) == []


async def test_several_files_are_all_looked_at_before_the_first_is_changed(folder: Path) -> None:
    put(folder, a_DOT_txt="1", b_DOT_txt="2", x__b_DOT_txt="old")
    before = tree(folder)
    pairs = [{"source": "a.txt", "destination": "n/a"}, {"source": "nope.txt", "destination": "n/b"}]
    assert "nope.txt" in await refused(operation="copy", files=pairs)
    same = [{"source": "a.txt", "destination": "n/a"}, {"source": "b.txt", "destination": "n/a"}]
    assert "two files would become `workspace/n/a`" in await refused(operation="move", files=same)
    there = await refused(operation="copy", source=["a.txt", "b.txt"], destination="x", overwrite=False)
    assert "`workspace/x/b.txt` is there already" in there
    assert "may not be written" in await refused(operation="delete", files=["a.txt", "../../outside/secret.txt"])
    assert "written over itself" in await refused(operation="copy", source="a.txt", destination="a.txt")
    assert tree(folder) == before


async def test_a_failure_between_two_files_leaves_neither(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, a_DOT_csv="a\n1\n", b_DOT_csv="a\n1,2\n", c_DOT_txt="1", d_DOT_txt="2")
    pairs = [{"source": f"{name}.csv", "destination": f"n/{name}.json"} for name in "ab"]
    assert "line 2" in await refused(operation="convert", files=pairs)
    before = tree(folder)
    opened = Workspace.open_read

    def fails_at_the_second(self: Workspace, path: str | Path) -> BinaryIO:
        if Path(path).name == "d.txt":
            raise WorkspaceRefused("the disk is gone")
        return opened(self, path)

    monkeypatch.setattr(Workspace, "open_read", fails_at_the_second)
    assert "the disk is gone" in await refused(operation="copy", source=["c.txt", "d.txt"], destination="n")
    assert tree(folder) == before


@pytest.mark.parametrize("destination", ["../x.txt", "../../outside/x.txt", "link/x.txt", "/etc/x.txt", ".env"])
async def test_nothing_is_written_outside_of_the_folders_of_the_run(folder: Path, destination: str) -> None:
    put(folder, a_DOT_txt="1")
    (folder / "workspace" / "link").symlink_to(folder.parent / "outside")
    for operation in ("copy", "move", "stream_copy"):
        await refused(operation=operation, source="a.txt", destination=destination)
    await refused(operation="write", path=destination, content="x")
    await refused(operation="convert", source="a.txt", destination=destination, format="text_to_json")
    await refused(operation="stream_process", source="a.txt", destination=destination, processor="upper")
    assert tree(folder.parent / "outside") == {"secret.txt": "secret"}
    assert (folder / "workspace" / "a.txt").exists()


@pytest.mark.parametrize("source", ["../../outside/secret.txt", "link/secret.txt", "/etc/passwd"])
async def test_nothing_is_read_outside_of_the_folders_that_may_be_read(folder: Path, source: str) -> None:
    (folder / "workspace" / "link").symlink_to(folder.parent / "outside")
    for operation in ("copy", "stream_copy", "convert", "move"):
        await refused(operation=operation, source=source, destination="got.txt", format="text_to_text")
    await refused(operation="read", path=source)
    await refused(operation="validate", path=source)
    await refused(operation="delete", path=source)
    assert not (folder / "workspace" / "got.txt").exists()
    assert tree(folder.parent / "outside") == {"secret.txt": "secret"}


async def test_files_that_may_only_be_read_are_not_moved_or_deleted(folder: Path) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "t.md").write_text("t", encoding="utf-8")
    await done(operation="copy", source="templates/t.md", destination="t.md")
    await refused(operation="move", source="templates/t.md", destination="u.md")
    await done(operation="delete", path="templates/t.md")
    await refused(operation="delete", pattern="templates/*")
    assert tree(folder) == {"templates/t.md": "t", "workspace/t.md": "t"}


async def test_a_path_of_a_result_is_found_by_the_next_step(folder: Path) -> None:
    put(folder, d__a_DOT_txt="1")
    (folder / "notes.md").write_text("n", encoding="utf-8")
    await done(operation="copy", source="notes.md", destination="outputs/n.md")
    for keys in ({"path": "d"}, {"path": "outputs"}, {"pattern": "*.md", "path": "."}):
        for file in (await done(operation="list", **keys))["files"]:
            assert await done(operation="read", path=file["path"]) in ("1", "n")


async def test_list_is_ordered_and_bounded(folder: Path) -> None:
    put(folder, b_DOT_py="22", a_DOT_py="1", d__c_DOT_py="333", d___DOT_h__x_DOT_py="4")
    found = await done(operation="list", path=".")
    assert [(file["path"], file["size"]) for file in found["files"]] == [("workspace/a.py", 1), ("workspace/b.py", 2)]
    assert found["files"][0]["name"] == "a.py" and found["files"][0]["modified"].endswith("Z")
    deep = await done(operation="list", recursive=True)
    assert [file["path"] for file in deep["files"]] == [f"workspace/{name}" for name in ("a.py", "b.py", "d/c.py")]
    two = await done(operation="list", pattern="**/*.{py,md}", options={"limit": 2})
    assert (two["count"], two["truncated"], len(two["files"])) == (2, True, 2)
    hidden = await done(operation="list", path="d", recursive=True, pattern="*.py", include_hidden=True)
    assert [file["path"] for file in hidden["files"]] == ["workspace/d/.h/x.py", "workspace/d/c.py"]


async def test_validate_fails_the_step_or_says_what_is_wrong(folder: Path) -> None:
    put(folder, a_DOT_json="{", d__b_DOT_txt="12345")
    files = [
        {"path": "a.json", "format": "json"}, {"path": "d", "must_be_dir": True, "must_contain": ["b.txt"]},
        {"path": "d/b.txt", "min_size": 2, "max_size": 4}, {"path": "nope"}, {"path": "nope", "must_exist": False},
        {"path": "d/", "must_be_file": True}, {"pattern": "**/*.json", "format": "text"},
    ]  # fmt: skip
    said = await refused(operation="validate", files=files)
    assert said.startswith("file_ops validate: 4 of 7 files are not as expected: `a.json`: JSON:")
    found = await done(operation="validate", files=files, fail_on_invalid=False)
    assert [file["valid"] for file in found["files"]] == [False, True, False, False, True, False, True]
    assert found["files"][2]["problems"] == ["it has 5 bytes, more than 4"]
    assert (await done(operation="validate", path="d/b.txt"))["valid"] is True


async def test_convert_goes_by_format_or_by_the_names(folder: Path) -> None:
    put(folder, r_DOT_csv="n;v\na;1\n", r_DOT_data="a: 1\n")
    await done(operation="convert", source="r.csv", destination="r.json", options={"csv_delimiter": ";"})
    assert await done(operation="read", path="r.json", format="json") == [{"n": "a", "v": "1"}]
    result = await done(operation="convert", source="r.data", destination="out/r.xml", format="yaml_to_xml")
    assert result["files"][0]["from"] == "yaml" and result["files"][0]["to"] == "xml"
    await done(operation="convert", source="r.json", destination="outputs/r.yaml")
    assert tree(folder)["outputs/r.yaml"] == "- n: a\n  v: '1'\n"
    assert "say the formats" in await refused(operation="convert", source="r.data", destination="r2.json")
    assert "unknown format `toml`" in await refused(
        operation="convert", source="r.json", destination="x", format="toml"
    )


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ("identity", "b a\n\n A1\r\nz"), ("uppercase", "B A\n\n A1\r\nZ"), ("lower", "b a\n\n a1\r\nz"),
        ("trim", "b a\n\nA1\r\nz"), ("remove_empty_lines", "b a\n A1\r\nz"),
        ("number_lines", "1: b a\n2: \n3:  A1\r\n4: z"),
        ({"type": "filter_lines", "pattern": "[a1]$"}, "b a\n A1\r\n"), ({"type": "head", "count": 2}, "b a\n\n"),
        ({"type": "reject_lines", "pattern": "a"}, "\n A1\r\nz"),
        ({"type": "replace", "pattern": "[ab]", "replacement": "\\1"}, "\\1 \\1\n\n A1\r\nz"),
    ],
)  # fmt: skip
async def test_lines_are_processed_as_they_stream(folder: Path, processor: Any, expected: str) -> None:
    (folder / "workspace" / "in.txt").write_bytes(b"b a\n\n A1\r\nz")
    result = await done(operation="stream_process", source="in.txt", destination="out.txt", processor=processor)
    assert (folder / "workspace" / "out.txt").read_bytes().decode() == expected
    assert (result["size"], result["lines"]) == (len(expected), len(expected.split("\n")) - expected.endswith("\n"))


async def test_counting_writes_nothing_and_a_source_is_never_changed(folder: Path) -> None:
    put(folder, in_DOT_txt="a b\nc\n")
    counted = await done(operation="stream_process", source="in.txt", processor="count_words")
    assert counted == {"source": "workspace/in.txt", "processor": "count_words", "lines": 2, "words": 3, "size": 6}
    assert tree(folder) == {"workspace/in.txt": "a b\nc\n"}
    named = await done(operation="stream_process", source="in.txt", processor="upper")
    assert named["destination"] == "workspace/in.txt.processed"
    assert "itself" in await refused(operation="stream_process", source="in.txt", destination="in.txt")


async def test_a_processor_that_fails_leaves_no_file(folder: Path) -> None:
    put(folder, in_DOT_txt='{"a": 1}\nno JSON\n')
    keys: dict[str, Any] = {"operation": "stream_process", "source": "in.txt", "destination": "out"}
    assert "line 2 is no JSON" in await refused(**keys, processor="json_lines")
    assert "unknown processor `uper`: did you mean `uppercase`" in await refused(**keys, processor="uper")
    assert "needs a `pattern`" in await refused(**keys, processor="filter_lines")
    assert "too many ways" in await refused(**keys, processor={"type": "filter_lines", "pattern": "a.*b.*c.*d"})
    assert list(tree(folder)) == ["workspace/in.txt"]


async def test_a_file_larger_than_the_limit_is_streamed_but_not_read(folder: Path) -> None:
    put(folder, big_DOT_txt="x" * 200)
    settings = Settings(file_limit_bytes=100)
    said = await refusal_of("file_ops", configured(operation="read", path="big.txt"), settings)
    assert "larger than 100 bytes" in said
    config = configured(operation="stream_copy", source="big.txt", destination="b2.txt")
    assert (await result_of("file_ops", config, settings))["size"] == 200
    assert "larger" in await refusal_of(
        "file_ops", configured(operation="write", path="w", content="y" * 101), settings
    )


async def test_a_step_that_is_given_up_leaves_no_file(folder: Path) -> None:
    workspace = folder / "workspace"
    (workspace / "in.txt").write_bytes(b"line\n" * 2_000_000)

    def unfinished() -> bool:
        return any(path.name.startswith(".out.txt") for path in workspace.iterdir())

    config = configured(operation="stream_process", source="in.txt", destination="out.txt", processor="upper")
    running = asyncio.create_task(result_of("file_ops", config))
    await until(unfinished)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not unfinished())
    assert [path.name for path in workspace.iterdir()] == ["in.txt"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("operation: copy, source: a", "`copy` needs a `destination`"),
        ("operation: write, path: a", "`write` needs `path` and `content`"),
        ("operation: delete", "`delete` needs"), ("operation: stream_copy, source: a", "`stream_copy` needs"),
        ("operation: frob, path: a", "Input should be 'copy'"),
        ("operation: read, path: '{{ steps.nope.x }}'", "the step `nope` does not exist"),
        ("operation: delete, files: ['{{ steps.nope.x }}']", "the step `nope` does not exist"),
    ],
)  # fmt: skip
def test_a_wrong_step_is_found_with_the_file(keys: str, said: str) -> None:
    text = f"workflow:\n  name: p\n  steps:\n    - {{name: f, type: file_ops, {keys}}}\n"
    assert any(said in one for one in errors_of(text)), errors_of(text)


async def test_what_a_template_made_of_a_key_is_checked_too() -> None:
    config = {"operation": "read", "path": 5, "workspace": FOLDERS}
    with pytest.raises(StepError, match="path"):
        await result_of("file_ops", config)
