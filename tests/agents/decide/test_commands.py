"""What becomes of a command: exactly one outcome each, whoever decides."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from elexirion.agents.decide import Facts
from elexirion.agents.decide_command import Checked, Loadable, NotLoadable, decide_command
from elexirion.agents.dispatch import Placement
from elexirion.events import commands, run
from elexirion.events.canonical import content_hash
from elexirion.events.envelope import Record
from elexirion.events.record_model import RecordModel
from elexirion.projections.context import context_hash
from elexirion.projections.fleet import Fleet
from hypothesis import given as every
from hypothesis import strategies as st

from tests.projections.partition_log import AUTHOR, RUN, PartitionLog, RunLog, definition

START = commands.StartRun(pipeline="…", tags={"team": "docs"}, offline=True)
LOADABLE = Loadable(
    "sample", definition("a"), content_hash("d"), {"topic": "tides"}, (commands.PipelineReference(pipeline="next"),)
)


def facts(log: PartitionLog, author: str = AUTHOR) -> Facts:
    return Facts(now=log.now, author=author, placement=Placement(Fleet(), 10))


def outcome(
    log: PartitionLog, command: RecordModel, command_id: str, checked: Checked | None = LOADABLE, author: str = AUTHOR
) -> Record:
    pending = log.fold.pending[command_id]
    run_id = pending.run_id
    return decide_command(
        pending, command, log.fold.runs.get(run_id), log.fold.ended.get(run_id), checked, facts(log, author)
    )


def decided(log: PartitionLog, command: RecordModel, command_id: str, **more: Any) -> Record:
    """Receive, decide, write; the accepted outcome."""
    assert log.receive(command, command_id) is None
    record = outcome(log, command, command_id, **more)
    assert log.write(record) is None
    assert command_id not in log.fold.pending
    return record


def test_a_start_begins_a_run_with_its_whole_definition() -> None:
    log = PartitionLog()
    record = decided(log, START, "c1")
    assert (record.type, record.seq, record.prev, record.offline) == ("RunStarted", 1, None, True)
    state = log.fold.runs[RUN]
    assert state.definition == definition("a")
    assert state.inputs == {"topic": "tides"}
    assert state.then == LOADABLE.then
    assert state.tags == {"team": "docs"}
    assert state.correlation_id == "c1"


@pytest.mark.parametrize("code", ["invalid_pipeline", "missing_inputs", "invalid_inputs"])
def test_a_start_that_cannot_run_is_rejected_with_the_reason(code: Any) -> None:
    log = PartitionLog()
    record = decided(log, START, "c1", checked=NotLoadable(code, "x.yaml:3: no"))
    assert (record.raw["reason_code"], record.raw["reason"]) == (code, "x.yaml:3: no")
    assert log.fold.runs == {}


def test_a_start_that_nobody_checked_is_rejected() -> None:
    assert decided(PartitionLog(), START, "c1", checked=None).raw["reason_code"] == "invalid_pipeline"


def test_a_second_start_of_a_run_is_rejected() -> None:
    log = PartitionLog()
    decided(log, START, "c1")
    assert decided(log, START, "c2").raw["reason_code"] == "run_exists"


def test_a_start_of_an_ended_run_is_rejected() -> None:
    log = RunLog()
    log.end()
    assert decided(log, START, "c2").raw["reason_code"] == "run_exists"


def test_cancel_ends_the_run_and_closes_its_executions() -> None:
    log = RunLog()
    log.schedule()
    record = decided(log, commands.CancelRun(reason="late"), "c1")
    assert (record.type, record.raw["command_id"], record.raw["reason"]) == ("RunCancelled", "c1", "late")
    assert log.state.open_executions() == []
    assert record.raw["context_hash"] == context_hash(log.state)
    assert record.causation_id == "c1@commands/0/0"


def test_pause_and_resume_take_turns() -> None:
    log = RunLog()
    assert decided(log, commands.PauseRun(reason="r"), "c1").type == "RunPaused"
    again = decided(log, commands.PauseRun(), "c2")
    assert (again.raw["reason_code"], again.raw["reason"]) == ("not_applicable", "the run is paused")
    assert decided(log, commands.ResumeRun(), "c3").type == "RunResumed"
    assert decided(log, commands.ResumeRun(), "c4").raw["reason_code"] == "not_applicable"


def by_parent(log: RunLog, kind: type[commands.PauseRun] | type[commands.ResumeRun], parent_seq: int) -> str:
    """What a word of the parent comes to."""
    record = decided(log, kind(parent_seq=parent_seq), f"parent-{parent_seq}")
    return str(record.raw.get("reason_code") or record.type)


def test_a_child_follows_the_last_word_of_its_parent_in_whatever_order_they_arrive() -> None:
    log = RunLog()
    assert by_parent(log, commands.ResumeRun, 7) == "RunResumed"
    assert by_parent(log, commands.PauseRun, 4) == "not_applicable"
    assert log.state.status == "running"
    assert by_parent(log, commands.PauseRun, 9) == "RunPaused"
    assert by_parent(log, commands.ResumeRun, 8) == "not_applicable"
    assert log.state.status == "paused"


def test_a_child_that_was_paused_by_its_user_goes_on_with_its_parent() -> None:
    log = RunLog()
    decided(log, commands.PauseRun(), "c1")
    assert by_parent(log, commands.PauseRun, 3) == "RunPaused"
    assert by_parent(log, commands.ResumeRun, 5) == "RunResumed"
    assert log.state.status == "running"


def test_cancel_ends_a_paused_run() -> None:
    log = RunLog()
    decided(log, commands.PauseRun(), "c1")
    assert decided(log, commands.CancelRun(), "c2").type == "RunCancelled"


TO_A_RUN: list[RecordModel] = [
    commands.CancelRun(), commands.PauseRun(), commands.ResumeRun(), commands.Signal(name="approve"),
    commands.RetryRun(new_run_id="n"), commands.ForkRun(new_run_id="n", from_step="a"),
]  # fmt: skip


@pytest.mark.parametrize("command", TO_A_RUN, ids=lambda command: type(command).__name__)
def test_a_command_to_a_run_that_does_not_exist_is_rejected(command: RecordModel) -> None:
    assert decided(PartitionLog(), command, "c1").raw["reason_code"] == "no_such_run"


@pytest.mark.parametrize("command", TO_A_RUN[:4], ids=lambda command: type(command).__name__)
def test_a_command_to_a_run_that_ended_is_rejected(command: RecordModel) -> None:
    log = RunLog()
    log.end(run.RunFailed)
    record = decided(log, command, "c1")
    assert (record.raw["reason_code"], "(failed)" in record.raw["reason"]) == ("run_ended", True)


def test_what_this_version_cannot_do_is_rejected_and_said() -> None:
    assert decided(RunLog(), commands.Signal(name="approve"), "c1").raw["reason_code"] == "not_applicable"
    assert decided(RunLog(), commands.RetryRun(new_run_id="n"), "c1").raw["reason_code"] == "unsupported"


def test_other_content_under_a_used_id_is_rejected() -> None:
    log = RunLog()
    other = commands.CancelRun()
    log.receive(other, "start")
    (key,) = log.fold.pending
    record = outcome(log, other, key)
    assert record.raw["reason_code"] == "conflicting_content"
    assert log.write(record) is None
    assert log.fold.pending == {}
    assert log.state.status == "running"


@pytest.mark.parametrize(("late", "code"), [(timedelta(), None), (timedelta(seconds=1), "expired")])
def test_a_command_published_over_seven_days_after_its_time_is_rejected(late: timedelta, code: str | None) -> None:
    log = RunLog()
    log.receive(commands.CancelRun(), "c1")
    pending = log.fold.pending["c1"]
    said = pending.received.model_copy(update={"issued_at": log.now - timedelta(days=7) - late, "broker_at": log.now})
    record = decide_command(
        replace(pending, received=said), commands.CancelRun(), log.state, None, None, facts(log)
    )  # fmt: skip
    assert record.raw.get("reason_code") == code


def test_a_command_without_a_time_does_not_expire() -> None:
    log = RunLog()
    assert log.fold.pending == {}
    assert decided(log, commands.CancelRun(), "c1").type == "RunCancelled"


ANY = st.sampled_from([START, *TO_A_RUN])


@every(st.lists(st.tuples(ANY, st.booleans(), st.booleans()), max_size=10))
def test_every_command_has_exactly_one_outcome_whoever_decides(wanted: list[tuple[RecordModel, bool, bool]]) -> None:
    """Two orchestrators decide each command on the state each has seen; a zombie's is a command behind."""
    log, outcomes = PartitionLog(), dict[str, int]()
    behind: list[Record] = []
    for n, (command, rival, repeated) in enumerate(wanted):
        id = f"c{n}"
        log.receive(command, id)
        if repeated:
            log.receive(command, id, again=True)
        mine = outcome(log, command, id)
        theirs = outcome(log, command, id, author="o2", checked=NotLoadable("invalid_inputs", "no"))
        for record in [theirs, mine, *behind] if rival else [mine, theirs, *behind]:
            if log.write(record) is None:
                said = str(record.raw["command_id"])
                outcomes[said] = outcomes.get(said, 0) + 1
        behind = [theirs, mine]
    assert outcomes == {f"c{n}": 1 for n in range(len(wanted))}
    assert log.fold.pending == {}
