"""A run that a newer program went on with is left alone by this one; strange records stop nobody."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from elexirion.events import catalog, commands, step
from elexirion.events.codec import decode, encode
from elexirion.events.envelope import Record

from tests.events.goldens import FOLDER, file_of
from tests.projections.partition_log import RUN, RunLog, received, started

NEWER = FOLDER / "newer"


def newer(name: str, **changes: Any) -> Record:
    """The record of a golden file of version 999, with parts of its envelope or its data replaced."""
    document = orjson.loads((NEWER / f"{name}.v999.json").read_bytes())
    data = {key: changes.pop(key) for key in list(changes) if key in document["data"]}
    return decode(orjson.dumps({**document, "run_id": RUN, **changes, "data": document["data"] | data}))


def under_way() -> RunLog:
    log = RunLog("a", "b")
    log.schedule("a")
    return log


def chained(log: RunLog, **more: Any) -> dict[str, Any]:
    return {"seq": log.state.seq + 1, "prev": log.state.last, **more}


def of_open(log: RunLog) -> dict[str, Any]:
    execution = log.state.open_executions()[0]
    return {"execution_id": execution.id, "incarnation": execution.incarnation, "seq": None, "prev": None}


@pytest.mark.parametrize("path", sorted(NEWER.glob("*.json")), ids=lambda path: path.stem)
def test_a_newer_record_is_a_value(path: Path) -> None:
    record = decode(path.read_bytes())
    assert (record.known, record.version) == (False, 999)
    assert orjson.loads(encode(record)) == orjson.loads(path.read_bytes())


@pytest.mark.parametrize("name", ["StepScheduled", "RunPaused", "MoonRisen"])
def test_a_newer_decision_holds_its_run(name: str) -> None:
    log = under_way()
    assert log.write(newer(name, **chained(log))) == "newer_version"
    assert log.fold.runs == {}
    assert (log.fold.held[RUN].type, log.fold.held[RUN].version) == (name, 999)


@pytest.mark.parametrize("name", ["StepCompleted", "MoonReported"])
def test_a_newer_report_of_an_open_execution_holds_its_run(name: str) -> None:
    log = under_way()
    assert log.write(newer(name, **of_open(log))) == "newer_version"
    assert RUN in log.fold.held


@pytest.mark.parametrize("name", ["CommandReceived", "CommandRejected"])
def test_a_newer_word_about_a_command_holds_its_run(name: str) -> None:
    log = under_way()
    log.receive(commands.PauseRun(), "pause")
    assert log.write(newer(name, command_id="pause", seq=None, prev=None)) == "newer_version"
    assert RUN in log.fold.held


def test_a_newer_start_of_a_waiting_run_holds_it_before_it_begins() -> None:
    log = RunLog()
    log.receive(commands.StartRun(pipeline="…"), "start-2", "run-2")
    assert log.write(newer("RunStarted", run_id="run-2", seq=1, prev=None)) == "newer_version"
    assert log.write(started("run-2", "start-2", ["a"], log.now)) == "run_held"
    assert "run-2" not in log.fold.runs
    assert RUN in log.fold.runs


def test_nothing_of_a_held_run_counts_any_more_and_its_neighbours_go_on() -> None:
    log, late = under_way(), under_way()
    result = late.reported(late.completed("a"))
    log.write(newer("RunPaused", **chained(log)))
    assert log.write(result) == "run_held"
    assert log.write(late.decision(late.scheduled("b"))) == "run_held"
    log.start("a", run_id="run-2", command_id="start-2")
    assert list(log.fold.runs) == ["run-2"]


def test_commands_to_a_held_run_stand_and_wait() -> None:
    log = under_way()
    log.write(newer("RunPaused", **chained(log)))
    assert log.write(received(commands.CancelRun(), "cancel", RUN, log.now)) is None
    assert "cancel" in log.fold.pending


@pytest.mark.parametrize(
    "strange",
    [
        {"name": "MoonRisen", "seq": None, "prev": None},
        {"name": "MoonRisen", "seq": 3, "prev": "another"},
        {"name": "StepScheduled", "seq": 9, "prev": "another"},
        {"name": "MoonReported", "seq": None, "prev": None, "execution_id": f"{RUN}/a#7"},
        {"name": "StepCompleted", "seq": None, "prev": None, "incarnation": "nobody"},
        {"name": "RunStarted", "seq": 1, "prev": None},
        {"name": "RunStarted", "seq": 1, "prev": None, "run_id": "run-9"},
        {"name": "CommandRejected", "seq": None, "prev": None},
    ],
    ids=str,
)
def test_what_does_not_continue_the_run_holds_nothing(strange: dict[str, Any]) -> None:
    log = under_way()
    before = log.state
    assert log.write(newer(**strange)) == "unknown_type"
    assert log.fold.held == {}
    assert log.fold.runs[RUN] == before


def test_an_ended_run_is_not_held() -> None:
    log = under_way()
    after = chained(log)
    log.end()
    assert log.write(newer("RunPaused", **after)) == "unknown_type"
    assert log.fold.held == {}


def test_held_runs_are_forgotten_with_the_rest() -> None:
    log = under_way()
    log.write(newer("RunPaused", **chained(log)))
    log.now += timedelta(days=8)
    log.start("a", run_id="run-2", command_id="start-2")
    assert log.fold.held == {}


def test_every_golden_file_of_a_newer_version_has_a_present_one_or_an_unknown_name() -> None:
    for path in NEWER.glob("*.json"):
        name = path.name.split(".")[0]
        assert name.startswith("Moon") or file_of(catalog.BY_NAME[name]).exists()


def test_a_report_counts_again_where_nobody_newer_wrote() -> None:
    log = under_way()
    assert log.write(replace(log.reported(log.completed("a")), version=1)) is None
    assert isinstance(log.records[-1][0].data, step.StepCompleted)
