"""What the command line tells about a pipeline file without running it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from tests.serving import CommandLine

TWO = """\
name: two
steps:
  - {name: ask, type: claude, prompt: "Tell me about {{ topic }}.", claude_options: {model: haiku, max_tokens: 100}}
  - {name: echo, type: test_echo, value: "{{ ask.text }}", condition: "topic == 'bees'"}
"""
WARNS = "name: w\nsteps: [{name: a, type: test_echo, value: 1, colour: red}]\n"
WRONG = "name: w\nsteps: [{name: a, type: test_ecko}]\n"


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """Without any broker: none of these commands may look for one."""
    return CommandLine(tmp_path, {"ELEXIRION_HOME": str(tmp_path / "home"), "ELEXIRION_KAFKA": "127.0.0.1:9"})


# schema --------------------------------------------------------------------------------------------------


def test_the_schema_goes_to_stdout_or_into_a_file(line: CommandLine) -> None:
    called = line("schema")
    assert called.returncode == 0
    Draft202012Validator.check_schema(json.loads(called.stdout))
    written = line("schema", "--output", "pipeline.schema.json", "--strict")
    assert (written.returncode, written.stdout) == (0, "")
    schema = json.loads((line.folder / "pipeline.schema.json").read_text("utf-8"))
    assert not Draft202012Validator(schema).is_valid({"name": "p", "steps": [], "colour": "red"})


def test_a_file_that_cannot_be_written_is_told(line: CommandLine) -> None:
    error = line.json("schema", "--output", "nowhere/schema.json", code=2)["error"]
    assert error["kind"] == "cannot_write"


# graph ---------------------------------------------------------------------------------------------------


def test_a_graph_is_drawn_in_each_format(line: CommandLine) -> None:
    file = line.file("two.yaml", TWO)
    text = line("graph", file)
    assert text.returncode == 0
    assert "echo  test_echo  after ask  if topic == 'bees'" in text.stdout
    assert line("graph", file, "--format", "mermaid").stdout.startswith("flowchart TD\n")
    written = line("graph", file, "--format", "svg", "--output", "two.svg")
    assert (written.returncode, written.stdout) == (0, "")
    assert ElementTree.fromstring((line.folder / "two.svg").read_text("utf-8")).tag.endswith("svg")
    assert line.json("graph", file)["graph"] == text.stdout


def test_a_file_with_errors_has_no_graph(line: CommandLine) -> None:
    called = line("graph", line.file("wrong.yaml", WRONG))
    assert called.returncode == 2
    assert "wrong.yaml:2:" in called.stderr
    assert line.json("graph", "wrong.yaml", code=2)["error"]["problems"][0]["line"] == 2


# validate ------------------------------------------------------------------------------------------------


def test_validate_says_for_each_file_what_is_wrong_and_what_it_needs(line: CommandLine) -> None:
    files = [line.file("two.yaml", TWO), line.file("warns.yaml", WARNS), line.file("wrong.yaml", WRONG)]
    document = line.json("validate", *files, code=2)
    assert (document["valid"], document["strict"]) == (False, False)
    two, warns, wrong = document["files"]
    assert [two["valid"], warns["valid"], wrong["valid"]] == [True, True, False]
    assert (two["name"], two["steps"], two["needed_inputs"]) == ("two", 2, [{"name": "topic", "line": 3}])
    assert len(two["sha256"]) == 64
    assert (warns["errors"], warns["warnings"]) == (0, 1)
    (problem,) = wrong["problems"]
    assert (problem["severity"], problem["line"], problem["key"]) == ("error", 2, "steps[0].type")
    assert (wrong["name"], wrong["steps"]) == (None, None)


def test_strict_makes_a_warning_an_error(line: CommandLine) -> None:
    file = line.file("warns.yaml", WARNS)
    assert line.json("validate", file)["valid"]
    strict = line.json("validate", file, "--strict", code=2)
    assert (strict["valid"], strict["strict"], strict["files"][0]["valid"]) == (False, True, False)
    assert "refused by --strict" in line("validate", file, "--strict").stderr


# run --dry-run -------------------------------------------------------------------------------------------


def test_a_dry_run_tells_calls_and_cost_and_starts_nothing(line: CommandLine) -> None:
    file = line.file("two.yaml", TWO)
    document = line.json("run", file, "-i", "topic=bees", "--dry-run")
    assert document["dry_run"] is True
    ask, echo = document["runs"][0]["steps"]
    assert (ask["lane"], ask["timeout_s"], ask["retry"]["max_attempts"]) == ("claude", 300.0, 3)
    assert ask["model"].startswith("claude-haiku-")
    assert ask["estimate"]["output_tokens"] == 100
    assert 0 < ask["estimate"]["cost_usd"] == document["total"]["cost_usd"] < 0.01
    assert (echo["condition"], echo["estimate"]["calls"]) == ("topic == 'bees'", 0)
    assert document["assumptions"]
    assert not (line.folder / "home").exists()


def test_a_dry_run_is_a_table_for_people(line: CommandLine) -> None:
    called = line("run", line.file("two.yaml", TWO), "-i", "topic=bees", "--dry-run")
    assert called.returncode == 0
    assert "echo: if topic == 'bees'" in called.stdout
    assert "1 call · about" in called.stdout


def test_an_unknown_price_is_null_and_never_0(line: CommandLine) -> None:
    file = line.file("two.yaml", TWO.replace("haiku", "claude-of-tomorrow"))
    document = line.json("run", file, "-i", "topic=x", "--dry-run")
    assert document["runs"][0]["steps"][0]["estimate"]["cost_usd"] is None
    assert document["total"]["cost_usd"] is None
    assert line.json("run", file, "-i", "topic=x", "--dry-run", "--offline")["total"]["cost_usd"] == 0


def test_a_dry_run_uses_the_aliases_and_prices_of_the_settings(line: CommandLine) -> None:
    prices = line.file("prices.yaml", "models: {mine: [{from: 2020-01-01, input: 0, output: 1000000}]}\n")
    own = CommandLine(line.folder, {
        **line.settings, "ELEXIRION_MODEL_ALIASES": '{"haiku": "mine"}', "ELEXIRION_PRICES_FILE": str(prices),
    })  # fmt: skip
    document = own.json("run", line.file("two.yaml", TWO), "-i", "topic=x", "--dry-run")
    assert (document["runs"][0]["steps"][0]["model"], document["total"]["cost_usd"]) == ("mine", 100)


def test_a_dry_run_refuses_what_a_run_refuses(line: CommandLine) -> None:
    assert line.json("run", line.file("two.yaml", TWO), "--dry-run", code=2)["error"]["kind"] == "missing_inputs"
    assert line.json("run", line.file("wrong.yaml", WRONG), "--dry-run", code=2)["error"]["kind"] == "invalid_pipeline"


def test_a_loop_is_counted_as_often_as_it_runs(line: CommandLine) -> None:
    text = (
        "name: loop\nsteps:\n  - {name: l, type: for_loop, over: [1, 2, 3], "
        "steps: [{name: ask, type: gemini, prompt: hi, token_budget: {max_output_tokens: 10}}]}\n"
    )
    document = line.json("run", line.file("loop.yaml", text), line.file("again.yaml", text), "--dry-run")
    assert [run["total"]["output_tokens"] for run in document["runs"]] == [30, 30]
    assert (document["total"]["calls"], document["total"]["output_tokens"]) == (6, 60)
