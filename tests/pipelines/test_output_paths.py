"""Where output files go."""

from pathlib import PurePosixPath

import pytest
from elexirion.pipelines.output_paths import OutputPathRefused, resolve_output_path
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        ("./outputs", "x.md", "outputs/x.md"),
        ("./outputs", "./outputs/x.md", "outputs/x.md"),
        ("./outputs", "outputs/x.md", "outputs/x.md"),
        ("outputs", "a/./b.md", "outputs/a/b.md"),
        ("./a/b", "a/b/c.md", "a/b/c.md"),
        ("./a/b", "a/c.md", "a/b/a/c.md"),
        ("/abs/out", "x.md", "/abs/out/x.md"),
        (".", "x.md", "x.md"),
    ],
)
def test_a_file_stands_below_the_output_folder_and_never_doubled(folder: str, name: str, path: str) -> None:
    assert resolve_output_path(folder, name) == path


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x", "a/../../x", "..\\x", "C:\\x", "~/x", "", " ", "a\0b", "outputs", "a/", "x" * 2000],
)
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(OutputPathRefused):
        resolve_output_path("./outputs", name)


@given(st.text(max_size=30))
def test_every_accepted_name_stays_below_the_folder(name: str) -> None:
    try:
        path = PurePosixPath(resolve_output_path("./outputs", name))
    except OutputPathRefused:
        return
    assert path.parts[0] == "outputs"
    assert len(path.parts) > 1
    assert ".." not in path.parts
