"""A step reads and writes in the folders of its run, and nowhere else."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from elexirion.agents.settings import Settings
from elexirion.agents.worker import open_below
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from hypothesis import HealthCheck, given
from hypothesis import settings as sampling
from hypothesis import strategies as st


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A run's folder with a workspace, outputs, sources to read, and a neighbour that is none of its business."""
    for name in ("run/workspace", "run/outputs", "run/src", "neighbour"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "run/src/main.py").write_text("print()", encoding="utf-8")
    (tmp_path / "neighbour/secret.txt").write_text("secret", encoding="utf-8")
    return tmp_path / "run"


@pytest.fixture
def space(base: Path) -> Workspace:
    """The workspace of a run that may read `src` besides its own folders."""
    return workspace_of(base, read_roots=[str(base / "src")])


def workspace_of(base: Path, trusted: bool = True, limit: int = 1000, **said: Any) -> Workspace:
    settings = Settings(trust_run_folders=trusted, file_limit_bytes=limit)
    return Workspace.of({"workspace": {"base": str(base), **said}}, settings)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# Where paths start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["./outputs/a/x.txt", "outputs/a/x.txt", "outputs/../outputs/a/x.txt"])
def test_a_path_that_names_the_output_folder_is_not_doubled(base: Path, space: Workspace, path: str) -> None:
    for start in (space, space.at("deep/er")):
        assert start.write_bytes(path, b"1") == base / "outputs/a/x.txt"
    assert names(base / "outputs") == ["a"]


def test_tools_start_in_their_folder_below_the_workspace_which_is_made(base: Path, space: Workspace) -> None:
    inner = space.at("./workspace/repo")
    assert inner.start == space.at("repo").start == base / "workspace/repo"
    inner.write_bytes("notes.md", b"1")
    inner.write_bytes("./workspace/other.md", b"2")
    assert (base / "workspace/repo/notes.md").read_bytes() == b"1"
    assert (base / "workspace/other.md").read_bytes() == b"2"
    assert inner.shown(base / "workspace/repo/notes.md") == "notes.md"


@pytest.mark.parametrize("cwd", ["..", "../..", "/tmp", "a/../../..", "outputs", "link"])
def test_a_folder_for_tools_outside_the_workspace_is_refused(base: Path, space: Workspace, cwd: str) -> None:
    (base / "workspace/link").symlink_to(base.parent / "neighbour")
    with pytest.raises(WorkspaceRefused):
        space.at(cwd)


def test_what_is_not_in_the_workspace_is_looked_up_in_the_run_s_folders(base: Path, space: Workspace) -> None:
    inner = space.at()
    assert inner.readable("src/main.py") == inner.readable("main.py") == base / "src/main.py"
    inner.write_bytes("main.py", b"mine")
    assert inner.read_bytes("main.py") == b"mine"
    assert (base / "src/main.py").read_bytes() == b"print()"


# Whose folders count --------------------------------------------------------------------------------------


def test_a_base_counts_only_where_run_folders_are_trusted(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space = workspace_of(base, trusted=False, read_roots=[str(base / "src"), "/etc"])
    assert space.base == tmp_path
    assert space.read_roots == (base / "src",)
    assert workspace_of(base, read_roots=["/etc"]).read_roots == (Path("/etc"),)
    for folder in ("../elsewhere", "/tmp", "."):
        with pytest.raises(WorkspaceRefused, match="not below the worker's own folder"):
            workspace_of(base, trusted=False, workspace_dir=folder)


def test_without_any_word_the_folders_are_the_worker_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = Workspace.of({}, Settings())
    assert (space.workspace, space.output) == (tmp_path / "workspace", tmp_path / "outputs")
    assert space.read_roots == ()


# What is refused ------------------------------------------------------------------------------------------

ESCAPES = [
    "../neighbour/secret.txt", "workspace/../../neighbour/secret.txt", "link/secret.txt", "filelink",
    "workspace/link/secret.txt", "loop", "",
    "\0", "x" * 5000, "outputs/" + "../" * 30 + "etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("path", [*ESCAPES, "/etc/passwd"])
def test_no_path_leads_out_of_the_folders(base: Path, space: Workspace, path: str) -> None:
    outside = base.parent / "neighbour"
    for place in (base, base / "workspace"):
        (place / "link").symlink_to(outside)
    (base / "workspace/filelink").symlink_to(outside / "secret.txt")
    (base / "workspace/loop").symlink_to("loop")
    for start in (space, space.at()):
        for touch in (start.readable, start.read_bytes, start.writable, start.remove):
            with pytest.raises(WorkspaceRefused):
                touch(path)
        with pytest.raises(WorkspaceRefused):
            start.write_bytes(path, b"x")
    assert (outside / "secret.txt").read_bytes() == b"secret"
    assert names(outside) == ["secret.txt"]


PARTS = st.sampled_from(["..", ".", "a", "workspace", "outputs", "src", "link", "filelink", "neighbour", "secret.txt"])


@sampling(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, min_size=1, max_size=6))
def test_no_mixture_of_links_and_dots_reads_or_writes_elsewhere(tmp_path: Path, parts: list[str]) -> None:
    base = tmp_path / "run"
    if not base.exists():
        (base / "workspace/a").mkdir(parents=True)
        (tmp_path / "neighbour").mkdir()
        (tmp_path / "neighbour/secret.txt").write_bytes(b"secret")
        (base / "workspace/link").symlink_to(tmp_path / "neighbour")
        (base / "workspace/a/link").symlink_to("..")
    space = workspace_of(base).at("a")
    path = "/".join(parts)
    with suppress(WorkspaceRefused):
        assert space.read_bytes(path) != b"secret"
    with suppress(WorkspaceRefused):
        written = space.write_bytes(path, b"x")
        assert written.is_relative_to(base / "workspace") or written.is_relative_to(base / "outputs")
    assert (tmp_path / "neighbour/secret.txt").read_bytes() == b"secret"
    assert names(tmp_path / "neighbour") == ["secret.txt"]


def test_reading_folders_are_not_written(base: Path, space: Workspace) -> None:
    with pytest.raises(WorkspaceRefused, match="written below workspace or outputs"):
        space.write_bytes("src/main.py", b"x")
    with pytest.raises(WorkspaceRefused, match="may not be written"):
        space.remove("src/main.py")
    assert (base / "src/main.py").exists()


def test_a_link_that_stays_within_is_followed(base: Path, space: Workspace) -> None:
    (base / "workspace/here").symlink_to(base / "outputs")
    space.at().write_bytes("here/x", b"1")
    assert space.read_bytes("outputs/x") == b"1"


@pytest.mark.parametrize("swapped", ["folder", "file"])
def test_a_link_put_in_place_after_the_check_is_not_followed(
    base: Path, space: Workspace, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    def checked_then_swapped(self: Workspace, path: str | Path) -> Path:
        found: Path = check(self, path)
        _swap(base / "workspace/sub", base.parent / "neighbour", swapped)
        return found

    for name, touch in (
        ("readable", space.read_bytes), ("writable", space.remove),
        ("writable", lambda path: space.write_bytes(path, b"x")),
    ):  # fmt: skip
        space.write_bytes("workspace/sub/secret.txt", b"mine")
        check = getattr(Workspace, name)
        with monkeypatch.context() as patch:
            patch.setattr(Workspace, name, checked_then_swapped)
            # Writing and removing touch the link itself where it took the place of the file.
            with suppress(WorkspaceRefused):
                assert touch("workspace/sub/secret.txt") != b"secret"
        assert (base.parent / "neighbour/secret.txt").read_bytes() == b"secret"
        assert names(base.parent / "neighbour") == ["secret.txt"]
        (base / "workspace/sub").unlink() if swapped == "folder" else shutil.rmtree(base / "workspace/sub")


def _swap(folder: Path, outside: Path, swapped: str) -> None:
    if swapped == "folder" and not folder.is_symlink():
        shutil.rmtree(folder)
        folder.symlink_to(outside)
    elif swapped == "file":
        (folder / "secret.txt").unlink(missing_ok=True)
        (folder / "secret.txt").symlink_to(outside / "secret.txt")


@pytest.mark.timeout(10)
def test_a_fifo_or_device_is_neither_read_nor_written(base: Path, space: Workspace) -> None:
    os.mkfifo(base / "workspace/pipe")
    (base / "workspace/null").symlink_to("/dev/null")
    for path in ("workspace/pipe", "workspace/null"):
        for touch in (space.read_bytes, space.writable):
            with pytest.raises(WorkspaceRefused):
                touch(path)
    with pytest.raises(open_below.NotRegularError):
        open_below.open_file(base / "workspace", ("pipe",))


def test_files_over_the_limit_are_neither_read_nor_written(base: Path, space: Workspace) -> None:
    (base / "workspace/big").write_bytes(b"x" * 1001)
    with pytest.raises(WorkspaceRefused, match="larger than 1000 bytes"):
        space.read_bytes("workspace/big")
    with pytest.raises(WorkspaceRefused, match="larger than 1000 bytes"):
        space.write_bytes("workspace/new", b"x" * 1001)
    space.write_bytes("workspace/new", b"x" * 1000)
    assert len(space.read_bytes("workspace/new")) == 1000


def test_a_file_of_keys_is_not_read_listed_or_written(base: Path, space: Workspace) -> None:
    (base / "workspace/.env").write_text("KEY=1", encoding="utf-8")
    (base / "workspace/alias").symlink_to(".env")
    for path in ("workspace/.env", "workspace/alias"):
        for touch in (space.read_bytes, space.writable):
            with pytest.raises(WorkspaceRefused, match="may hold keys"):
                touch(path)
    assert list(space.walk("workspace")) == []


# Writing --------------------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(base: Path, space: Workspace) -> None:
    space.write_bytes("workspace/x", b"old")

    def interrupted() -> None:
        with space.writing("workspace/x") as file:
            file.write(b"half")
            raise KeyError("a failure halfway")

    with pytest.raises(KeyError):
        interrupted()
    assert (base / "workspace/x").read_bytes() == b"old"
    assert names(base / "workspace") == ["x"]


def test_a_script_stays_executable(base: Path, space: Workspace) -> None:
    space.write_bytes("workspace/run.sh", b"old")
    (base / "workspace/run.sh").chmod(0o755)
    space.write_bytes("workspace/run.sh", b"new")
    assert (base / "workspace/run.sh").stat().st_mode & 0o777 == 0o755


def test_a_removed_file_is_gone_and_a_missing_one_an_error(base: Path, space: Workspace) -> None:
    space.write_bytes("workspace/x", b"1")
    space.remove("workspace/x")
    assert names(base / "workspace") == []
    with pytest.raises(WorkspaceRefused, match="No such file"):
        space.remove("workspace/x")


# Walking --------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(base: Path) -> Path:
    """Files at three depths, a hidden one, and links in and out."""
    for path in ("a.py", "b.txt", "sub/c.py", "sub/deep/d.py", "sub/deep/e.tsx", ".hidden/f.py"):
        (base / "workspace" / path).parent.mkdir(parents=True, exist_ok=True)
        (base / "workspace" / path).write_bytes(b"")
    (base / "workspace/out").symlink_to(base.parent / "neighbour")
    (base / "workspace/outfile").symlink_to(base.parent / "neighbour/secret.txt")
    (base / "workspace/infile").symlink_to("a.py")
    return base / "workspace"


def test_a_walk_meets_all_files_and_no_link_that_leads_out(tree: Path, space: Workspace) -> None:
    met = [found.relative_to(tree).as_posix() for found in space.at().walk()]
    assert sorted(met) == [
        ".hidden/f.py", "a.py", "b.txt", "infile", "sub/c.py", "sub/deep/d.py", "sub/deep/e.tsx"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.py", ["a.py"]), ("./*.py", ["a.py"]), ("**/*.py", [".hidden/f.py", "a.py", "sub/c.py", "sub/deep/d.py"]),
        ("sub/**", ["sub/c.py", "sub/deep/d.py", "sub/deep/e.tsx"]), ("**/deep/*", ["sub/deep/d.py", "sub/deep/e.tsx"]),
        ("sub/*/*.{py,ts{,x}}", ["sub/deep/d.py", "sub/deep/e.tsx"]), ("[ab].*", ["a.py", "b.txt"]),
        ("**/sub/**/**/c.py", ["sub/c.py"]), ("sub", []), ("../**", []),
    ],
)  # fmt: skip
def test_a_pattern_finds_the_files_that_it_means(
    tree: Path, space: Workspace, pattern: str, expected: list[str]
) -> None:
    assert sorted(found.relative_to(tree).as_posix() for found in space.at().glob(pattern)) == expected


def test_a_walk_is_bounded_and_says_so(tree: Path, space: Workspace) -> None:
    walk = space.at().walk(limit=3)
    with pytest.raises(WorkspaceRefused, match="more than 3 files and folders"):
        list(walk)


@pytest.mark.parametrize("pattern", ["", "x" * 501, "{a,b}" * 7])
def test_a_pattern_without_bounds_is_refused(space: Workspace, pattern: str) -> None:
    with pytest.raises(WorkspaceRefused):
        space.at().glob(pattern)


@pytest.mark.timeout(10)
def test_a_pattern_of_many_stars_takes_no_time(tree: Path, space: Workspace) -> None:
    (tree / ("a" * 200)).write_bytes(b"")
    assert list(space.at().glob("*a" * 200 + "b")) == []
    assert list(space.at().glob("**/" * 100 + "nothing")) == []
