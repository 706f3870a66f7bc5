"""Runs are paused, resumed and answered from the command line, which says what became of each command."""

from __future__ import annotations

import time
from typing import Any

from tests.serving import CommandLine

WAITING = """\
name: waiting
steps:
  - {name: first, type: approval, message: "Go on?"}
  - {name: second, type: approval, needs: [], message: "And this?"}
"""


def waiting(line: CommandLine, run_id: str) -> None:
    """A run of which two steps wait for an answer."""
    line.json("run", line.file("waiting.yaml", WAITING), "--detach", "--run-id", run_id)
    _until(line, run_id, lambda shown: shown.count("ApprovalRequested") == 2)


def test_a_run_is_paused_and_goes_on(served: CommandLine) -> None:
    waiting(served, "control-1")
    paused = served("pause", "control-1", "--reason", "lunch")
    assert (paused.returncode, paused.stdout) == (0, "control-1 paused\n")
    assert "elexirion resume control-1" in paused.stderr
    error = served.json("pause", "control-1", code=2)["error"]
    assert (error["kind"], "the run is paused" in error["message"]) == ("not_applicable", True)
    assert "paused (lunch)" in served("explain", "control-1").stdout
    assert served.json("resume", "control-1") == {"run_id": "control-1", "status": "running"}


def test_a_signal_names_its_step_where_several_wait_and_the_result_has_what_it_said(served: CommandLine) -> None:
    waiting(served, "control-2")
    error = served.json("signal", "control-2", "approve", code=2)["error"]
    assert "waiting: first, second" in error["message"]
    assert "--step" in error["message"]
    said = served("signal", "control-2", "reject", "--step", "second", "--value", '{"by": "ana"}')
    assert (said.returncode, said.stdout) == (0, "control-2 reject: step second has its answer\n")
    assert served.json("signal", "control-2", "approve")["step"] == "first"
    _until(served, "control-2", lambda shown: "RunCompleted" in shown)
    results = {step["name"]: step["result"] for step in served.json("show", "control-2")["steps"]}
    assert results == {
        "first": {"decision": "approved", "because": "signal"},
        "second": {"decision": "rejected", "because": "signal", "value": {"by": "ana"}},
    }
    assert served.json("pause", "control-2", code=2)["error"]["kind"] == "run_ended"


def test_a_run_begins_at_its_time_and_one_that_waits_for_it_can_be_cancelled(served: CommandLine) -> None:
    file = served.file("soon.yaml", "name: soon\nsteps: [{name: a, type: set_variable, variables: {x: 1}}]\n")
    soon = served.json("run", file, "--in", "4s", "--run-id", "soon-1")
    assert (soon["run_id"], soon["status"]) == ("soon-1", "scheduled")
    far = served("run", file, "--at", "2035-01-01T09:00+01:00", "--run-id", "far-1")
    assert (far.returncode, far.stdout) == (0, "far-1\n")
    assert "2035-01-01 09:00:00 +0100" in far.stderr
    assert "scheduled for 2035-01-01" in served("runs").stdout
    assert "the run is scheduled for 2035-01-01" in served("explain", "far-1").stdout
    assert served.json("cancel", "far-1")["status"] == "cancelled"
    _until(served, "soon-1", lambda shown: "RunCompleted" in shown)
    shown = served.json("show", "soon-1")
    first = next(one["at"] for one in shown["timeline"] if one["type"] == "VariablesSet")
    assert first >= shown["start_at"].replace("+00:00", "Z")


def test_a_time_that_is_none_is_told_before_anything_is_published(served: CommandLine) -> None:
    file = served.file("soon.yaml", "name: soon\nsteps: [{name: a, type: set_variable, variables: {x: 1}}]\n")
    for words, said in (
        (("--at", "tomorrow"), "is no time"),
        (("--at", "2026-12-01T09:00"), "time zone"),
        (("--in", "soon"), "no span of time"),
        (("--in", "10m", "--at", "2026-12-01T09:00Z"), "both"),
    ):
        assert said in served.json("run", file, *words, code=2)["error"]["message"]


def _until(line: CommandLine, run_id: str, holds: Any) -> None:
    deadline = time.monotonic() + 30
    while not holds(shown := line("show", run_id, "--json").stdout):
        assert time.monotonic() < deadline, shown
