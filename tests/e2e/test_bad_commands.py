"""Any client may write `commands`: what cannot be read is set aside, and the next command runs at once."""

import time
from typing import Any

import orjson
import pytest
from elexirion.agents.orchestrator.command_record import MAX_LEVELS
from elexirion.events.commands import StartRun

from tests.e2e.cluster import NO_LANE, Cluster, Publisher, run_id
from tests.e2e.tape import Tape


def _envelope(**fields: Any) -> bytes:
    known = {"type": "StartRun", "id": "cmd-bad", "run_id": "bad", "data": {"pipeline": NO_LANE}}
    return orjson.dumps(known | fields)


def _nested(levels: int) -> bytes:
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"type":"StartRun","id":"cmd-deep","run_id":"deep","data":{"pipeline":"x","inputs":' + deep + b"}}"


UNREADABLE: dict[str, tuple[bytes | None, str]] = {
    "not JSON": (b"start my run, please", "not JSON"),
    "no UTF-8": (b'{"type": "\xff\xfe"}', "not JSON"),
    "empty": (b"", "not JSON"),
    "a list": (b"[1, 2]", "a JSON object is expected"),
    "no data": (orjson.dumps({"type": "StartRun", "id": "cmd-x", "run_id": "x"}), "`data`"),
    "no id": (_envelope(id=None), "`id`"),
    "a run id with a slash": (_envelope(run_id="a/b"), "`run_id`"),
    "no pipeline": (_envelope(data={}), "`pipeline`"),
    "inputs of the wrong kind": (_envelope(data={"pipeline": NO_LANE, "inputs": "x"}), "`inputs`"),
    "a version to come": (_envelope(version=99), "version 99"),
    "an unknown type": (_envelope(type="StopTheWorld", data={}), "StopTheWorld"),
    "an event": (_envelope(type="RunPaused", data={"command_id": "x"}), "RunPaused"),
    "a time that is none": (_envelope(at="yesterday"), "`at`"),
    "300 levels deep": (_nested(300), "more than 100 levels deep"),
    "100,000 levels deep": (_nested(100_000), "not JSON"),
    "oversized": (_envelope(data={"pipeline": "x" * 1_000_001}), "the limit is 1000000"),
    "a tombstone": (None, "tombstone"),
}


@pytest.mark.quiet
@pytest.mark.parametrize("what", UNREADABLE)
async def test_an_unreadable_command_is_buried_and_the_next_one_runs_within_a_second(
    what: str, standing: Cluster, tape: Tape, publisher: Publisher
) -> None:
    value, reason = UNREADABLE[what]
    place = await publisher.raw(value, b"\xff key")
    began, run = time.monotonic(), run_id("after-bad")
    await publisher.start(run, NO_LANE)

    completed = await tape.event(run, "RunCompleted")
    assert completed.arrived - began <= 1.0
    letters = await tape.until(
        lambda: [found for found in tape.dead_letters if _at(found) == (place.partition, place.offset)],
        5, "the dead letter arrives",
    )  # fmt: skip
    [letter] = letters
    assert letter["topic"] == standing.topics.commands
    assert reason in letter["reason"]
    assert letter["size"] == len(value or b"")


def _at(letter: dict[str, Any]) -> tuple[int, int]:
    return letter["partition"], letter["offset"]


async def test_a_command_seen_before_with_the_same_content_changes_nothing(tape: Tape, publisher: Publisher) -> None:
    run, same = run_id("twice"), StartRun(pipeline=NO_LANE)
    for _ in range(3):
        await publisher.command(same, run, f"cmd-{run}")
    await tape.until(lambda: len(tape.named(run, "CommandReceived")) == 3, 10, "all three are in the log")
    await tape.completed(run)
    await publisher.command(same, run, f"cmd-{run}")
    await publisher.cancel(run)  # once this later command is decided, nothing earlier is still to come

    rejected = await tape.event(run, "CommandRejected")
    assert rejected.record.raw["command_id"] == f"cancel-{run}"
    received = [seen.record.raw["command_id"] for seen in tape.named(run, "CommandReceived")]
    counted = [seen for seen in tape.counted("CommandReceived") if seen.record.run_id == run]
    assert received.count(f"cmd-{run}") == 4
    assert [seen.record.raw["command_id"] for seen in counted] == [f"cmd-{run}", f"cancel-{run}"]
    assert len(tape.accepted(run, "RunStarted")) == 1


async def test_a_command_id_with_other_content_is_rejected(tape: Tape, publisher: Publisher) -> None:
    run = run_id("conflict")
    await publisher.command(StartRun(pipeline=NO_LANE), run, f"cmd-{run}")
    await tape.completed(run)
    await publisher.command(StartRun(pipeline=NO_LANE, inputs={"more": 1}), run, f"cmd-{run}")

    rejected = await tape.event(run, "CommandRejected")
    assert rejected.record.raw["reason_code"] == "conflicting_content"
    assert len(tape.accepted(run, "RunStarted")) == 1


NEEDY = """\
name: needy
steps:
  - {name: first, type: test_echo, value: "{{ inputs.who }}"}
  - {name: second, type: test_echo, value: "{{ inputs.where }}"}
"""
REJECTED: dict[str, tuple[str, dict[str, Any], str, tuple[str, ...]]] = {
    "no YAML": ("steps: [", {}, "invalid_pipeline", ("pipeline:",)),
    "unknown types": (
        "name: x\nsteps:\n  - {name: a, type: nonsense}\n  - {name: b, type: testecho, value: 1}\n",
        {}, "invalid_pipeline", ("nonsense", "testecho", "pipeline:3", "pipeline:4"),
    ),
    "missing inputs": (NEEDY, {}, "missing_inputs", ("`who`", "`where`")),
    "one missing input": (NEEDY, {"who": "me"}, "missing_inputs", ("`where`",)),
}  # fmt: skip


@pytest.mark.parametrize("what", REJECTED)
async def test_a_run_that_cannot_start_is_rejected_with_every_reason(
    what: str, tape: Tape, publisher: Publisher
) -> None:
    pipeline, inputs, code, reasons = REJECTED[what]
    run = run_id("rejected")
    await publisher.start(run, pipeline, inputs=inputs)

    rejected = await tape.event(run, "CommandRejected")
    assert rejected.record.raw["reason_code"] == code
    for reason in reasons:
        assert reason in rejected.record.raw["reason"]
    assert not tape.named(run, "RunStarted")


async def test_a_command_from_before_the_memory_of_commands_is_rejected_as_expired(
    tape: Tape, publisher: Publisher
) -> None:
    run = run_id("old")
    await publisher.raw(_envelope(id=f"cmd-{run}", run_id=run, at="0001-01-01T00:00:00Z"))
    rejected = await tape.event(run, "CommandRejected")
    assert rejected.record.raw["reason_code"] == "expired"


async def test_a_command_dated_at_the_end_of_the_calendar_runs(tape: Tape, publisher: Publisher) -> None:
    run = run_id("future")
    await publisher.raw(_envelope(id=f"cmd-{run}", run_id=run, at="9999-12-31T23:59:59Z"))
    await tape.completed(run)


async def test_a_command_as_deep_as_allowed_runs(tape: Tape, publisher: Publisher) -> None:
    deep: Any = 1
    for _ in range(MAX_LEVELS - 4):  # the envelope, data, inputs and the value's own key stand around it
        deep = {"a": deep}
    run = run_id("deep")
    pipeline = 'name: deep\nsteps:\n  - {name: echo, type: test_echo, value: "{{ inputs.deep }}"}\n'
    await publisher.start(run, pipeline, inputs={"deep": deep})
    end = await tape.completed(run)
    assert end.raw["result"]["value"] == deep


async def test_cancelling_a_run_that_does_not_exist_is_rejected(tape: Tape, publisher: Publisher) -> None:
    run = run_id("nobody")
    await publisher.cancel(run)
    rejected = await tape.event(run, "CommandRejected")
    assert rejected.record.raw["reason_code"] == "no_such_run"


async def test_cancelling_a_run_that_ended_is_rejected(tape: Tape, publisher: Publisher) -> None:
    run = run_id("over")
    await publisher.start(run, NO_LANE)
    await tape.completed(run)
    await publisher.cancel(run)
    rejected = await tape.event(run, "CommandRejected")
    assert rejected.record.raw["reason_code"] == "run_ended"
    assert tape.state(run).status == "completed"
