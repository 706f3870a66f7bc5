"""Pipelines from file to result, through a real Kafka and a worker in another process."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.requirements import absent
from tests.serving import ROOT, SHARED, CommandLine

STEP_KEYS = {"name", "type", "status", "execution", "duration", "usage", "cost", "result", "error"}
SLOW = """\
name: slow
steps:
  - {name: long, type: test_echo, value: "a long story that takes its time", chunks: 30, delay_ms: 30000}
"""
FAILING = "name: failing\nsteps: [{name: bad, type: test_echo, value: x, fail: true, error_message: no luck}]\n"
ASKING = "name: asking\nsteps: [{name: ask, type: claude, prompt: 'Tell me about %s.'}]\n"


def of_users(name: str) -> Path:
    """A pipeline file of users of the earlier implementation."""
    if not SHARED.is_dir():
        absent("shared", f"the folder {SHARED} is not there (ELEXIRION_SHARED names its parent)")
    return SHARED / name


@pytest.mark.parametrize(
    ("name", "more", "steps"),
    [
        ("examples__simple_test.yaml", (), 2),
        ("gemini_only_workflow.yaml", (), 2),
        ("test__fixtures__workflows__simple_workflow.yaml", (), 1),
        ("workflows__explain_code.yaml", ("-i", "code_file=program.py"), 1),
    ],
)
def test_files_of_users_run_offline(served: CommandLine, name: str, more: tuple[str, ...], steps: int) -> None:
    served.file("program.py", "print('hello')\n")
    document = served.json("run", of_users(name), "--offline", *more)
    assert document["status"] == "completed"
    assert document["offline"] is True
    assert len(document["steps"]) == steps
    for step in document["steps"]:
        assert step.keys() >= STEP_KEYS
        assert step["status"] == "completed"
        assert step["execution"].startswith(f"{document['run_id']}/{step['name']}#")
        assert step["result"]
        assert step["usage"]["output_tokens"] > 0


def test_another_word_of_the_prompt_gives_another_text(served: CommandLine) -> None:
    def text(topic: str) -> Any:
        file = served.file(f"{topic}.yaml", ASKING % topic)
        return served.json("run", file, "--offline")["result"]

    assert text("rivers") == text("rivers") != text("mountains")


def test_the_second_run_finds_the_worker_of_the_first(served: CommandLine) -> None:
    called = served("run", served.file("again.yaml", ASKING % "bees"), "--offline")
    assert called.returncode == 0
    assert "Worker started" not in called.stderr


def test_a_worker_without_the_key_is_told_of_before_the_run_starts(served: CommandLine) -> None:
    keyed = CommandLine(served.folder, {**served.settings, "ANTHROPIC_API_KEY": "only-here"})
    error = keyed.json("run", served.file("keyed.yaml", ASKING % "keys"), "--run-id", "never-started", code=2)["error"]
    assert error["variables"] == ["ANTHROPIC_API_KEY"]
    assert "elexirion worker --stop" in error["hint"]
    assert "--offline" in error["hint"]
    assert served.json("show", "never-started", code=2)["error"]["kind"] == "unknown_run"


def test_text_streams_to_a_pipe_and_a_table_with_totals_follows(served: CommandLine) -> None:
    file = served.file("told.yaml", ASKING % "owls")
    called = served("run", file, "--offline")
    shown = next(line for line in called.stdout.splitlines() if " completed · " in line)
    text = served.json("show", shown.split()[0])["result"]
    assert text in called.stdout
    assert "── ask" in called.stdout
    assert "offline" in shown
    assert called.stdout.index(text) < called.stdout.index(shown)


def test_the_example_streams_the_text_of_every_step_once(served: CommandLine) -> None:
    called = served("run", ROOT / "examples" / "demo.yaml", "--offline", "--run-id", "the-example")
    assert called.returncode == 0, called.stdout + called.stderr
    streamed = called.stdout.partition("\nstep  ")[0]
    steps = {step["name"]: step for step in served.json("show", "the-example")["steps"]}
    for name in ("facts", "images", "text"):
        assert streamed.count(f"── {name}\n{steps[name]['result']}\n") == 1
    assert steps["shorter"]["status"] == "skipped"


def test_files_chain_output_into_input(served: CommandLine) -> None:
    one = served.file("one.yaml", "name: one\nsteps: [{name: a, type: test_echo, value: from one}]\n")
    two = served.file("two.yaml", "name: two\nsteps: [{name: b, type: test_echo, value: 'got {{ inputs.input }}'}]\n")
    document = served.json("run", one, two)
    assert document["result"] == "got from one"
    assert [run["pipeline"] for run in document["runs"]] == ["one", "two"]
    assert document["runs"][1]["previous_run_id"] == document["runs"][0]["run_id"]


def test_a_chain_halts_at_the_first_failure(served: CommandLine) -> None:
    two = served.file("never.yaml", "name: never\nsteps: [{name: b, type: test_echo, value: 1}]\n")
    document = served.json("run", served.file("failing.yaml", FAILING), two, code=1)
    assert document["pipeline"] == "failing"
    assert document["next_run_id"] is None
    assert "never" not in {run["pipeline"] for run in served.json("runs")["runs"]}


def test_a_failed_run_exits_1_and_says_which_step_and_why(served: CommandLine) -> None:
    file = served.file("failing.yaml", FAILING)
    document = served.json("run", file, code=1)
    assert document["status"] == "failed"
    assert document["failed_step"] == "bad"
    assert "no luck" in document["failure"]["message"]
    assert document["steps"][0]["error"]["message"] == document["failure"]["message"]
    called = served("run", file)
    assert called.returncode == 1
    assert "no luck" in called.stdout


def test_a_run_id_that_exists_is_rejected(served: CommandLine) -> None:
    file = served.file("once.yaml", ASKING % "foxes")
    served.json("run", file, "--offline", "--run-id", "the-one")
    error = served.json("run", file, "--offline", "--run-id", "the-one", code=2)["error"]
    assert error["kind"] == "run_exists"


def test_a_detached_run_is_cancelled_by_its_id(served: CommandLine) -> None:
    run_id = served.json("run", served.file("slow.yaml", SLOW), "--detach")["run_id"]
    _until_streaming(served, run_id)
    assert served.json("cancel", run_id, "--reason", "changed my mind")["status"] == "cancelled"
    shown = served.json("show", run_id)
    assert shown["status"] == "cancelled"
    assert shown["failure"]["message"] == "changed my mind"
    assert shown["steps"][0]["status"] == "stopped"
    assert shown["executions"][0]["superseded"]


def test_ctrl_c_cancels_the_run_and_exits_130(served: CommandLine) -> None:
    process = served.begin("run", served.file("slow.yaml", SLOW), "--run-id", "interrupted")
    try:
        _until_streaming(served, "interrupted")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert "elexirion show interrupted" in told
    assert "Traceback" not in told
    assert served.json("show", "interrupted")["status"] == "cancelled"


def test_ctrl_c_in_the_second_run_of_a_chain_cancels_that_one(served: CommandLine) -> None:
    first = served.file("quick.yaml", "name: quick\nsteps: [{name: a, type: test_echo, value: 1}]\n")
    process = served.begin("run", first, served.file("slow.yaml", SLOW), "--run-id", "chained")
    try:
        _until_streaming(served, "chained~2")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert served.json("show", "chained")["status"] == "completed"
    assert served.json("show", "chained~2")["status"] == "cancelled"


def test_ctrl_c_while_watching_leaves_the_run_alone(served: CommandLine) -> None:
    run_id = served.json("run", served.file("slow.yaml", SLOW), "--detach")["run_id"]
    _until_streaming(served, run_id)
    process = served.begin("watch", run_id)
    assert process.stdout is not None
    assert run_id in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert served.json("show", run_id)["status"] == "running"
    served("cancel", run_id)


def test_an_ended_run_is_watched_from_its_beginning(served: CommandLine) -> None:
    document = served.json("run", served.file("told.yaml", ASKING % "otters"), "--offline")
    watched = served("watch", document["run_id"])
    assert watched.returncode == 0
    assert document["result"] in watched.stdout
    lines = [json.loads(line) for line in served("watch", document["run_id"], "--json").stdout.splitlines()]
    text = "".join(line["data"]["text"] for line in lines if line["type"] == "StepChunk")
    assert text == document["result"]


def test_runs_lists_the_newest_first_and_selects(served: CommandLine) -> None:
    failed = served.json("run", served.file("failing.yaml", FAILING), code=1)["run_id"]
    done = served.json("run", served.file("fine.yaml", ASKING % "ants"), "--offline")["run_id"]
    listed = served.json("runs")["runs"]
    ids = [run["run_id"] for run in listed]
    assert ids.index(done) < ids.index(failed)
    assert {run["status"] for run in served.json("runs", "--status", "failed")["runs"]} == {"failed"}
    assert len(served.json("runs", "--limit", "1")["runs"]) == 1
    assert done in served("runs").stdout


def test_an_unknown_run_is_told_with_ids_that_look_like_it(served: CommandLine) -> None:
    served.json("run", served.file("fine.yaml", ASKING % "elks"), "--offline", "--run-id", "summer-report")
    for words in (("show",), ("cancel",), ("signal", "approve")):
        verb, *more = words
        error = served.json(verb, "sumer-report", *more, code=2)["error"]
        assert error["kind"] == "unknown_run"
        assert error["near"][0] == "summer-report"
    assert served("export", "sumer-report").returncode == 2


def test_topics_are_described(served: CommandLine) -> None:
    topics = served.json("topics")["topics"]
    prefix = served.settings["ELEXIRION_TOPIC_PREFIX"]
    partitions = {topic["name"].removeprefix(prefix): topic["partitions"] for topic in topics}
    assert partitions["events"] == 8
    assert partitions["steps.claude"] == 4


def _until_streaming(line: CommandLine, run_id: str) -> None:
    """Wait until the log tells that the run's first step was started."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        shown = line("show", run_id, "--json")
        if shown.returncode == 0 and "StepStarted" in shown.stdout:
            return
    raise AssertionError(f"{run_id} has not started: {shown.stdout}{shown.stderr}")
