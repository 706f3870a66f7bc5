"""What is refused before anything happens, and how the command line says it."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import typer
from elexirion.agents.providers.registry import providers_for
from elexirion.agents.settings import Settings
from elexirion.agents.steps.registry import runners
from elexirion.console.exits import CommandProblem, reported
from elexirion.console.given_inputs import parse_inputs
from elexirion.console.pipeline_files import lanes_of
from elexirion.pipelines.loader import load_file
from hypothesis import given
from hypothesis import strategies as st

from tests.serving import ROOT, CommandLine

VERBS = (
    "run", "dev", "worker", "topics", "validate", "graph", "schema", "runs", "show", "watch",
    "explain", "replay", "export", "cancel", "pause", "resume", "signal", "retry", "fork",
)  # fmt: skip

TWO_ERRORS = """\
name: wrong
steps:
  - {name: a, type: test_echo, value: "{{ steps.b.result }}"}
  - {name: a, type: test_ecko}
"""
NEEDS_INPUT = """\
name: needs input
steps:
  - name: greet
    type: test_echo
    value: "Hello {{ who }}"
"""
CLAUDE = "name: asks claude\nsteps: [{name: ask, type: claude, prompt: Hello}]\n"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """Where any attempt to reach a broker would fail."""
    unused = tmp_path / "home"
    return CommandLine(tmp_path, {"ELEXIRION_HOME": str(unused), "ELEXIRION_KAFKA": f"127.0.0.1:{_closed_port()}"})


def test_all_errors_of_all_files_are_told_at_once_and_nothing_starts(line: CommandLine) -> None:
    one, two = line.file("one.yaml", TWO_ERRORS), line.file("two.yaml", "name: [\n")
    called = line("run", one, two, "--offline")
    assert called.returncode == 2
    assert called.stdout == ""
    assert f"{one}:3:" in called.stderr
    assert f"{one}:4:" in called.stderr
    assert f"{two}:" in called.stderr
    assert "did you mean `test_echo`?" in called.stderr
    assert not (line.folder / "home").exists()


def test_errors_are_one_document_for_machines(line: CommandLine) -> None:
    error = line.json("run", line.file("one.yaml", TWO_ERRORS), code=2)["error"]
    assert error["kind"] == "invalid_pipeline"
    assert {problem["line"] for problem in error["problems"]} >= {3, 4}


def test_a_file_that_is_not_there_is_an_error_like_others(line: CommandLine) -> None:
    called = line("run", "nowhere.yaml")
    assert called.returncode == 2
    assert "nowhere.yaml:1:1: error" in called.stderr


def test_a_needed_input_that_is_not_given_is_named_with_its_line(line: CommandLine) -> None:
    file = line.file("needs.yaml", NEEDS_INPUT)
    called = line("run", file)
    assert called.returncode == 2
    assert f"{file}:5:" in called.stderr
    assert "-i who=" in called.stderr


def test_an_input_of_the_wrong_type_is_refused_before_the_start(line: CommandLine) -> None:
    text = "name: typed\ninputs: {n: {type: integer}}\nsteps: [{name: a, type: test_echo, value: '{{ n }}'}]\n"
    called = line("run", line.file("typed.yaml", text), "-i", "n=many")
    assert called.returncode == 2
    assert "input `n` must be of type integer" in called.stderr


def test_validate_lists_needed_inputs_and_passes(line: CommandLine) -> None:
    document = line.json("validate", line.file("needs.yaml", NEEDS_INPUT))
    assert document["valid"]
    assert document["files"][0]["needed_inputs"] == [{"name": "who", "line": 5}]


def test_warnings_fail_only_a_strict_validation(line: CommandLine) -> None:
    file = line.file("warns.yaml", "name: w\nsteps: [{name: a, type: test_echo, value: 1, colour: red}]\n")
    assert line("validate", file).returncode == 0
    strict = line("validate", file, "--strict")
    assert strict.returncode == 2
    assert "colour" in strict.stderr


def test_a_broker_that_does_not_answer_is_named_within_15_seconds(line: CommandLine) -> None:
    address = line.settings["ELEXIRION_KAFKA"]
    began = time.monotonic()
    error = line.json("run", line.file("needs.yaml", NEEDS_INPUT), "-i", "who=you", code=3)["error"]
    assert time.monotonic() - began < 15
    assert address in error["message"]


@pytest.mark.parametrize("words", [("runs",), ("show", "run-1"), ("cancel", "run-1"), ("topics",)])
def test_commands_that_ask_end_with_3_where_no_broker_is(line: CommandLine, words: tuple[str, ...]) -> None:
    assert line.json(*words, code=3)["error"]["message"]


def test_without_a_key_the_variable_and_offline_are_named_and_no_broker_starts(tmp_path: Path) -> None:
    line = CommandLine(tmp_path, {"ELEXIRION_HOME": str(tmp_path / "home")})
    error = line.json("run", line.file("ask.yaml", CLAUDE), code=2)["error"]
    assert error["variables"] == ["ANTHROPIC_API_KEY"]
    assert "--offline" in error["hint"]
    assert not (tmp_path / "home" / "broker").exists()


def test_a_worker_without_any_broker_ends_with_3(tmp_path: Path) -> None:
    called = CommandLine(tmp_path, {"ELEXIRION_HOME": str(tmp_path / "home")})("worker")
    assert called.returncode == 3
    assert "ELEXIRION_KAFKA" in called.stderr


def test_unknown_lanes_are_refused_with_the_known_ones(line: CommandLine) -> None:
    called = line("worker", "--lanes", "claude,cloud")
    assert called.returncode == 2
    assert "cloud" in called.stderr
    assert "claude, gemini, openai, local" in called.stderr


def test_a_wrong_setting_is_named_without_its_value(line: CommandLine) -> None:
    wrong = CommandLine(line.folder, {**line.settings, "ELEXIRION_LEASE_S": "secret-number"})
    called = wrong("runs")
    assert called.returncode == 2
    assert "lease_s" in called.stderr
    assert "secret-number" not in called.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(functions="no.such.module:rate"), "ELEXIRION_FUNCTIONS: 'no.such.module:rate' cannot be loaded"),
        (Settings(prices_file=Path("nowhere.yaml")), "price file nowhere.yaml: "),
    ],
)
def test_a_worker_with_a_wrong_setting_says_so_and_ends_with_2(
    settings: Settings, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, reported(as_json=False):
        providers_for(settings, offline=False)
        runners(settings)
    assert ended.value.exit_code == 2
    assert f"Error: {said}" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_has_an_example(line: CommandLine, verb: str) -> None:
    called = line(verb, "--help")
    assert called.returncode == 0
    assert f"elexirion {verb}" in called.stdout.split("Usage", 1)[1].split("\n", 1)[1]


def test_the_help_lists_every_verb_and_loads_no_kafka_client() -> None:
    code = """
import sys
from elexirion.console.main import main
sys.argv = ["elexirion", "--help"]
try:
    main()
except SystemExit:
    pass
heavy = {"aiokafka", "faust", "httpx", "jinja2"} & set(sys.modules)
print("LOADED", sorted(heavy))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=30)
    assert "LOADED []" in done.stdout, done.stdout + done.stderr
    for verb in (*VERBS, "broker", "bench"):
        assert f" {verb} " in done.stdout


def test_inputs_are_json_where_they_are_json_and_text_elsewhere() -> None:
    assert parse_inputs(["a=1", "b=x=y", 'c={"d": [true]}', "e=", "f=NaN", "a=2"]) == {
        "a": 2, "b": "x=y", "c": {"d": [True]}, "e": "", "f": "NaN",
    }  # fmt: skip


def test_an_input_may_be_the_text_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("print(1)\n")
    assert parse_inputs([f"code=@{tmp_path / 'code.py'}"]) == {"code": "print(1)\n"}


@pytest.mark.parametrize("given", ["novalue", "=3", "x=@/does/not/exist"])
def test_malformed_inputs_are_refused(given: str) -> None:
    with pytest.raises(CommandProblem):
        parse_inputs([given])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_value_can_be_given(value: object) -> None:
    assert parse_inputs([f"x={json.dumps(value)}"]) == {"x": value}


def _closed_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


NESTED = """
name: nested
steps:
  - name: each
    type: for_loop
    over: [1, 2]
    steps: [{name: ask, type: gemini, prompt: "about {{ item }}"}]
  - {name: many, type: claude_batch, items: [1], step_template: {prompt: "{{ item }}"}}
  - name: child
    type: pipeline
    pipeline: {name: inner, steps: [{name: say, type: openai, model: m, prompt: hi}]}
"""


def test_keys_are_asked_for_steps_inside_of_others_too(tmp_path: Path) -> None:
    file = tmp_path / "nested.yaml"
    file.write_text(NESTED)
    assert lanes_of([load_file(file)]) == {"gemini", "claude", "openai"}


def test_the_lanes_of_fallbacks_need_their_keys_as_well(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    steps = (
        "- {name: a, type: claude, prompt: x, fallback: [gemini/flash]}",
        "- {name: b, type: parallel_claude, parallel_tasks: [{id: x, prompt: y}], fallback: [{provider: openai}]}",
    )
    file.write_text("name: p\nsteps:\n" + "".join(f"  {step}\n" for step in steps))
    assert lanes_of([load_file(file)]) == {"claude", "gemini", "openai"}
