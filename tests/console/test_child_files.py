"""Files that run files: all of them are checked before anything starts."""

import json
from pathlib import Path

import pytest
from elexirion.agents.settings import Settings
from elexirion.console.dry_run import dry_run
from elexirion.console.exits import CommandProblem
from elexirion.console.pipeline_files import read_file, read_one, read_runnable
from elexirion.pipelines.loader import load_file

from tests.serving import CommandLine


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command runs beside the folder of the files."""
    own = tmp_path / "elsewhere"
    own.mkdir()
    monkeypatch.chdir(own)
    return own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "files"
    found.mkdir()
    return found


def _write(folder: Path, name: str, *lines: str, more: str = "") -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    steps = "".join(f"  - {{name: {name[0]}{index}, {line}}}\n" for index, line in enumerate(lines))
    file.write_text(f"name: {file.stem}\nsteps:\n{steps}{more}")
    return file


def _runs(file: str, more: str = "") -> str:
    return f"type: pipeline, pipeline_file: {file}{more}"


def _errors(path: Path) -> list[str]:
    return [str(problem) for problem in read_file(path).errors]


def test_a_good_family_is_valid(folder: Path) -> None:
    _write(folder, "sub/low.yaml", "type: test_echo")
    _write(folder, "mid.yaml", _runs("sub/low.yaml"))
    assert read_file(_write(folder, "top.yaml", _runs("./mid.yaml"), _runs("mid.yaml"))).problems == ()


def test_an_error_of_a_child_stands_at_its_own_place_with_the_way_to_it_and_once(folder: Path) -> None:
    low = _write(folder, "sub/low.yaml", "type: test_ecko")
    mid = _write(folder, "mid.yaml", _runs("sub/low.yaml"))
    top = _write(folder, "top.yaml", _runs("mid.yaml"), _runs("sub/low.yaml"))
    (error,) = _errors(top)
    assert error.startswith(f"{low}:3:")
    assert f"the file is run by {top} → {mid}" in error


@pytest.mark.parametrize("where", ["steps", "on_error", "loop", "inline", "then"])
def test_children_are_found_wherever_they_are_run(folder: Path, where: str) -> None:
    _write(folder, "low.yaml", "type: test_ecko")
    low, echo = "{name: x, " + _runs("low.yaml") + "}", "type: test_echo"
    files = {
        "steps": lambda: _write(folder, "top.yaml", _runs("low.yaml")),
        "on_error": lambda: _write(folder, "top.yaml", echo, more=f"on_error: [{low}]\n"),
        "loop": lambda: _write(folder, "top.yaml", f"type: for_loop, over: [1], steps: [{low}]"),
        "inline": lambda: _write(folder, "top.yaml", f"type: pipeline, pipeline: {{name: i, steps: [{low}]}}"),
        "then": lambda: _write(folder, "top.yaml", echo, more=f"then: [{{name: n, steps: [{low}]}}]\n"),
    }
    assert len(_errors(files[where]())) == 1


def test_a_circle_is_told_with_the_files_in_it(folder: Path) -> None:
    top = _write(folder, "top.yaml", _runs("one.yaml"))
    one, two = _write(folder, "one.yaml", _runs("two.yaml")), _write(folder, "two.yaml", _runs("./one.yaml"))
    (error,) = _errors(top)
    assert error.startswith(f"{two}:3:")
    assert f"pipeline files run each other without end: {one} → {two} → {one}" in error
    assert "→" in _errors(_write(folder, "self.yaml", _runs("self.yaml")))[0]


def test_files_run_no_deeper_than_they_may(folder: Path) -> None:
    _write(folder, "d0.yaml", "type: test_echo")
    for depth in range(1, 12):
        _write(folder, f"d{depth}.yaml", _runs(f"d{depth - 1}.yaml"))
    assert not _errors(folder / "d10.yaml")
    (error,) = _errors(folder / "d11.yaml")
    assert "pipelines run 11 deep, and `max_depth` is 10" in error
    shallow = _write(folder, "shallow.yaml", _runs("d1.yaml", ", config: {max_depth: 1}"))
    assert not _errors(shallow)


def test_a_file_that_is_not_there_or_not_known_yet_is_no_error(folder: Path) -> None:
    found = read_file(_write(folder, "top.yaml", _runs("nowhere.yaml"), _runs("'{{ file }}.yaml'")))
    assert not found.errors
    assert [problem.line for problem in found.warnings] == [3]
    assert "there is no file `nowhere.yaml` now" in found.warnings[0].message


def test_an_input_that_a_child_needs_must_be_given(folder: Path) -> None:
    _write(folder, "low.yaml", "type: test_echo, value: '{{ who }}'")
    (error,) = _errors(_write(folder, "top.yaml", _runs("low.yaml")))
    assert "needs the input `who`" in error
    assert not _errors(_write(folder, "gives.yaml", _runs("low.yaml", ", inputs: {who: you}")))
    assert not _errors(_write(folder, "lends.yaml", _runs("low.yaml", ", config: {inherit_context: true}")))


def test_a_file_beside_the_command_comes_first(folder: Path, elsewhere: Path) -> None:
    _write(folder, "low.yaml", "type: test_echo")
    top = _write(folder, "top.yaml", _runs("low.yaml"))
    assert not _errors(top)
    _write(elsewhere, "low.yaml", "type: test_ecko")
    assert _errors(top)[0].startswith("low.yaml:3:")


def test_nothing_starts_where_a_child_is_wrong(folder: Path) -> None:
    low = _write(folder, "low.yaml", "type: test_ecko")
    top = _write(folder, "top.yaml", _runs("low.yaml"))
    with pytest.raises(CommandProblem) as caught:
        read_runnable([top], {})
    assert caught.value.kind == "invalid_pipeline"
    assert caught.value.more["problems"][0]["file"] == str(low)
    assert read_one(top).pipeline.name == "top"


def test_validate_and_run_refuse_it_before_they_look_for_a_broker(folder: Path) -> None:
    line = CommandLine(folder, {"ELEXIRION_HOME": str(folder / "home"), "ELEXIRION_KAFKA": "127.0.0.1:1"})
    low = _write(folder, "sub/low.yaml", "type: test_ecko")
    top = _write(folder, "sub/top.yaml", _runs("low.yaml"))
    called = line("validate", str(top))
    assert (called.returncode, called.stdout) == (2, "")
    assert f"{low}:3:" in called.stderr
    ran = line("run", str(top), "--json")
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["error"]["problems"][0]["file"] == str(low)


def test_a_dry_run_opens_children_and_tells_of_the_steps_for_errors(folder: Path) -> None:
    (folder / "said.txt").write_text("x" * 400)
    _write(folder, "sub/low.yaml", "type: gemini, prompt: [{type: file, path: ../said.txt}]")
    _write(folder, "mid.yaml", _runs("sub/low.yaml"), "type: claude, prompt: '{{ topic }}'")
    top = _write(
        folder, "top.yaml", f"type: for_loop, over: [1, 2], steps: [{{name: x, {_runs('mid.yaml')}, inputs: {{topic: "
        f"{'y' * 40}}}}}]", more="on_error: [{name: sorry, type: claude, prompt: Hello}]\n",
    )  # fmt: skip
    document = dry_run([top], [load_file(top)], {}, Settings(), offline=False)
    found = {one["name"]: one for one in document["runs"][0]["steps"]}
    assert list(found) == ["t0", "t0/x", "t0/x/m0", "t0/x/m0/s0", "t0/x/m1", "sorry"]
    assert found["t0/x"]["note"] == "runs mid.yaml"
    assert (found["t0/x/m0/s0"]["times"], found["t0/x/m0/s0"]["estimate"]["input_tokens"]) == (2, 100)
    assert found["t0/x/m1"]["estimate"]["input_tokens"] >= 10
    assert (found["sorry"]["times"], found["sorry"]["note"]) == (0, "runs only where the run fails")
    assert document["total"]["calls"] == 4


def test_a_child_that_is_not_there_is_not_counted(folder: Path) -> None:
    top = _write(folder, "top.yaml", _runs("nowhere.yaml"))
    document = dry_run([top], [load_file(top)], {}, Settings(), offline=False)
    assert document["runs"][0]["steps"][0]["note"] == "runs nowhere.yaml, which is not counted"
