"""What a partition remembers of commands: each has exactly one outcome, and a repeat has none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from elexirion.events import commands, run
from elexirion.events.canonical import sha256_hex
from elexirion.events.envelope import Record, make_record
from elexirion.events.record_model import RecordModel
from elexirion.projections.partition import MEMORY, Accepted, Refused, conflict_key

from tests.projections.partition_log import RUN, PartitionLog, RunLog, hash_of, received, started

START_RUN = commands.StartRun(pipeline="…")


def rejected(command: RecordModel, command_id: str, run_id: str = RUN) -> Record:
    data = run.CommandRejected(
        command_id=command_id, content_hash=hash_of(command, run_id), reason_code="not_applicable", reason="no"
    )
    return make_record(data, id=f"{command_id}/rejected", run_id=run_id, at=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_command_waits_until_it_is_carried_out() -> None:
    log = PartitionLog()
    assert log.receive(START_RUN, "c1") is None
    assert set(log.fold.pending) == {"c1"}
    assert log.write(started(RUN, "c1", ("a",), log.now)) is None
    assert log.fold.pending == {}


@pytest.mark.parametrize("when", ["before its outcome", "after its outcome"])
def test_a_repeated_command_has_no_effect(when: str) -> None:
    log = PartitionLog()
    log.receive(START_RUN, "c1")
    if when == "after its outcome":
        log.write(started(RUN, "c1", ("a",), log.now))
    waiting = dict(log.fold.pending)
    assert log.receive(START_RUN, "c1", again=True) == "duplicate_command"
    assert log.fold.pending == waiting


def test_a_rejected_command_may_not_be_tried_again_under_its_id() -> None:
    log = PartitionLog()
    log.receive(commands.CancelRun(), "c1")
    assert log.write(rejected(commands.CancelRun(), "c1")) is None
    assert log.receive(commands.CancelRun(), "c1", again=True) == "duplicate_command"
    assert log.fold.pending == {}


def test_other_content_under_a_used_id_conflicts_and_waits_for_its_own_rejection() -> None:
    log = RunLog()
    other = commands.CancelRun(reason="other")
    assert log.receive(other, "start") is None
    key = conflict_key("start", hash_of(other, RUN))
    assert log.fold.pending[key].conflicts
    assert log.receive(other, "start", again=True) == "duplicate_command"
    assert log.write(rejected(other, "start")) is None
    assert log.fold.pending == {}


def test_the_rejection_of_a_conflicting_command_leaves_the_first_one_waiting() -> None:
    log = RunLog()
    first, other = commands.PauseRun(), commands.PauseRun(reason="other")
    log.receive(first, "c1")
    log.receive(other, "c1", offset=5)
    assert log.write(rejected(other, "c1")) is None
    assert set(log.fold.pending) == {"c1"}


@pytest.mark.parametrize("n", [1, 2])
def test_a_command_is_rejected_once(n: int) -> None:
    log = RunLog()
    log.receive(commands.CancelRun(), "c1")
    said = [log.write(rejected(commands.CancelRun(), "c1")) for _ in range(n)]
    assert said == [None, "no_such_command"][:n]


def test_a_rejection_without_a_command_does_not_count() -> None:
    assert RunLog().write(rejected(commands.CancelRun(), "c9")) == "no_such_command"


def test_a_command_is_carried_out_or_rejected_but_not_both() -> None:
    log = RunLog()
    pause = commands.PauseRun()
    log.receive(pause, "c1")
    carried_out = log.decision(run.RunPaused(command_id="c1"))
    assert log.write(rejected(pause, "c1")) is None
    assert log.write(carried_out) == "no_such_command", "the zombie that accepted it came second"
    assert log.state.status == "running"

    log.receive(pause, "c2")
    assert log.decide(run.RunPaused(command_id="c2")) is None
    assert log.write(rejected(pause, "c2")) == "no_such_command", "the zombie that rejected it came second"


def test_a_decision_does_not_carry_out_the_command_of_another_run() -> None:
    log = RunLog()
    log.receive(commands.CancelRun(), "c1", "run-2")
    assert log.decide(run.RunPaused(command_id="c1")) == "no_such_command"
    assert set(log.fold.pending) == {"c1"}


def test_asking_for_the_next_run_of_a_chain_is_no_outcome_of_a_command() -> None:
    log = RunLog()
    log.receive(commands.CancelRun(), "c1")
    child = run.ChildRunStarted(child_run_id="run-1~2", command_id="c1", relation="then", inputs={})
    assert log.decide(child) is None
    assert set(log.fold.pending) == {"c1"}


# What is remembered, and for how long ---------------------------------------------------------------------


def test_command_ids_and_ended_runs_are_remembered_for_seven_days_and_an_hour() -> None:
    log = RunLog()
    log.end()
    log.now += MEMORY
    assert log.receive(START_RUN, "start", again=True) is None, "forgotten: its memory is over"
    assert RUN not in log.fold.ended


def test_a_command_within_the_memory_is_a_repeat() -> None:
    log = RunLog()
    log.end()
    log.now += MEMORY - timedelta(minutes=1)
    assert log.receive(START_RUN, "other", "run-2") is None
    assert log.receive(START_RUN, "start", again=True) == "duplicate_command"
    assert RUN in log.fold.ended


def test_commands_are_forgotten_where_no_run_ever_ends() -> None:
    log = PartitionLog()
    for day in range(40):
        log.receive(commands.CancelRun(), f"c{day}", f"run-{day}")
        log.write(rejected(commands.CancelRun(), f"c{day}", f"run-{day}"))
        log.now += timedelta(days=1)
    assert len(log.fold.commands) <= 9
    assert log.fold.pending == {}


def test_the_clock_of_a_writer_does_not_make_the_partition_forget() -> None:
    log = RunLog()
    log.now += timedelta(seconds=1)
    terminal = log.decision(run.RunQuarantined(reason="r", crashes=4, context_hash=""))
    from_the_past = replace(terminal, at=datetime(1999, 1, 1, tzinfo=UTC))
    assert log.write(from_the_past) is None
    log.receive(START_RUN, "again")
    assert log.write(started(RUN, "again", ("a",), log.now)) == "run_exists"


def test_the_clock_of_a_writer_does_not_make_the_partition_remember_for_ever() -> None:
    log = RunLog()
    terminal = log.decision(run.RunQuarantined(reason="r", crashes=4, context_hash=""))
    log.write(replace(terminal, at=datetime(2999, 1, 1, tzinfo=UTC)))
    log.now += 2 * MEMORY
    log.receive(START_RUN, "other", "run-2")
    assert log.fold.ended == {}


def test_memory_is_bounded_when_broker_timestamps_are_out_of_order() -> None:
    log = PartitionLog()
    begin = log.now
    for n, hours in enumerate((500, 0, 300, 100)):
        record = received(commands.CancelRun(), f"c{n}", "run-9", begin)
        log.now = begin + timedelta(hours=hours)
        log.land(record)
    assert list(log.fold.commands) == ["c0", "c1", "c2", "c3"], "each was remembered at hour 500, the latest seen"
    log.now = begin + timedelta(hours=500) + 2 * MEMORY
    log.land(received(commands.CancelRun(), "c9", "run-9", begin))
    assert list(log.fold.commands) == ["c9"]


def test_a_conflict_key_is_made_of_id_and_content() -> None:
    content = sha256_hex(b"x")
    assert conflict_key("c", content) == f"c~{content[:16]}"


def test_a_command_too_deep_for_any_record_is_refused_and_a_deep_one_is_not() -> None:
    deep: object = 1
    for levels in range(1, 301):
        deep = {"a": deep}
        if levels in (100, 300):
            log = PartitionLog()
            record = received(commands.StartRun(pipeline="…"), "deep", RUN, log.now)
            data = record.data.model_copy(update={"command": {"inputs": deep}})  # type: ignore[union-attr]
            verdict = log.fold.apply(replace(record, data=data), 0, log.now)
            assert verdict == (Accepted(0) if levels == 100 else Refused("unreadable"))
