"""Schedules from the command line: added, looked at, paused, removed, and what they start."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.serving import CommandLine

TICK = "name: tick\nsteps: [{name: say, type: set_variable, variables: {x: '{{ inputs.x }}'}}]\n"


def test_a_schedule_starts_runs_at_its_times_until_it_is_removed(served: CommandLine) -> None:
    file = served.file("tick.yaml", TICK)
    added = served.json("schedule", "add", file, "--id", "tick-1", "--cron", "*/2 * * * * *", "-i", "x=7")
    assert (added["status"], added["cron"], added["timezone"]) == ("active", "*/2 * * * * *", "UTC")
    shown = _until(served, "tick-1", lambda said: "completed" in [one["status"] for one in said["firings"]])
    runs = [one["run_id"] for one in shown["firings"] if one["run_id"]]
    assert len(set(runs)) == len(runs)
    assert served.json("schedule", "pause", "tick-1") == {"schedule_id": "tick-1", "status": "paused"}
    assert "*/2 * * * * * (UTC)  paused" in served("schedule", "list").stdout
    assert served.json("schedule", "resume", "tick-1")["status"] == "active"
    assert served("schedule", "remove", "tick-1").stdout == "tick-1 removed\n"
    assert served.json("schedule", "list")["schedules"] == []
    listed = [one["run_id"] for one in served.json("runs", "--limit", "1000")["runs"]]
    assert runs[-1] in listed
    assert "tick-1" not in listed


def test_a_schedule_that_cannot_be_is_told_before_anything_is_published(served: CommandLine) -> None:
    file = served.file("tick.yaml", TICK)
    words = ("--id", "never-1", "--cron", "0 9 * * *", "--tz", "Mars/Olympus")
    assert "`timezone`" in served.json("schedule", "add", file, *words, code=2)["error"]["message"]
    assert served.json("schedule", "show", "never-1", code=2)["error"]["kind"] == "unknown_run"


def test_a_run_is_no_schedule(served: CommandLine) -> None:
    served.json("run", served.file("tick.yaml", TICK), "-i", "x=1", "--run-id", "plain-1")
    assert served.json("schedule", "remove", "plain-1", code=2)["error"]["kind"] == "no_schedule"


def _until(line: CommandLine, schedule_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while not holds(shown := line.json("schedule", "show", schedule_id)):
        assert time.monotonic() < deadline, shown
    return shown
