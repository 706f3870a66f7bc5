"""Prompts read only below allowed folders, links resolved; a run's own folders count only where trusted."""

from pathlib import Path

import pytest
from elexirion.agents.orchestrator.run_files import MAX_FILE_BYTES, bases, output_path, reader
from elexirion.agents.settings import Settings
from elexirion.events.commands import RunSource


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the process, one for the run, one that is nobody's; each with a file named as the folder."""
    for name in ("own", "run", "secret", "root"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.md").write_text(name, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path


def settings(*, trust: bool = False, roots: tuple[Path, ...] = ()) -> Settings:
    return Settings(trust_run_folders=trust, file_roots=roots)


def read(world: Path, path: str, *, trust: bool = False, roots: tuple[Path, ...] = (), workspace: str = "") -> bytes:
    source = RunSource(cwd=str(world / "run"), folder=str(world / "run"))
    return reader(settings(trust=trust, roots=roots), source, workspace)(path)


def test_a_relative_path_is_read_below_the_folder_of_the_process(world: Path) -> None:
    assert read(world, "own.md") == b"own"


def test_the_runs_own_folder_counts_only_where_it_is_trusted(world: Path) -> None:
    assert read(world, "run.md", trust=True) == b"run"
    assert read(world, str(world / "run/run.md"), trust=True) == b"run"
    with pytest.raises(ValueError, match="ELEXIRION_FILE_ROOTS"):
        read(world, str(world / "run/run.md"))
    with pytest.raises(FileNotFoundError):
        read(world, "run.md")


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("path", ["../secret/secret.md", "link.md", "linked/secret.md", "{world}/secret/secret.md"])
def test_no_path_and_no_link_leaves_the_allowed_folders(world: Path, path: str, trust: bool) -> None:
    for folder in ("own", "run"):
        (world / folder / "link.md").symlink_to(world / "secret" / "secret.md")
        (world / folder / "linked").symlink_to(world / "secret")
    with pytest.raises(ValueError, match="outside the allowed folders"):
        read(world, path.format(world=world), trust=trust)


def test_a_folder_whose_name_begins_alike_is_another_one(world: Path) -> None:
    (world / "own-secret").mkdir()
    (world / "own-secret" / "x.md").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="outside"):
        read(world, "../own-secret/x.md")


def test_a_root_opens_its_folder_to_absolute_paths(world: Path) -> None:
    assert read(world, str(world / "root/root.md"), roots=(world / "root",)) == b"root"


def test_a_workspace_that_a_pipeline_names_opens_nothing_unless_trusted(world: Path) -> None:
    secret = str(world / "secret/secret.md")
    with pytest.raises(ValueError, match="outside"):
        read(world, secret, workspace=str(world / "secret"))
    assert read(world, secret, workspace=str(world / "secret"), trust=True) == b"secret"


def test_a_file_that_is_too_large_is_refused_unread(world: Path) -> None:
    with (world / "own" / "big.md").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ValueError, match="larger than 10 MB"):
        read(world, "big.md")


def test_folders_are_looked_through_in_order(world: Path) -> None:
    source = RunSource(cwd=str(world / "run"), folder=str(world / "root"))
    assert bases(settings(trust=True), source) == [world / "run", world / "root", world / "own"]
    assert bases(settings(), source) == [world / "own"]


def test_an_output_goes_to_the_runs_folder_only_where_that_is_trusted(world: Path) -> None:
    source = RunSource(cwd=str(world / "run"))
    assert output_path(settings(trust=True), source, "out.md") == str(world / "run/out.md")
    assert output_path(settings(), source, "out.md") == "out.md"
    assert output_path(settings(trust=True), RunSource(), "out.md") == "out.md"
