"""What counts and what does not, rule by rule: given a log, when a record arrives, then the fold says this."""

from dataclasses import replace

import pytest
from elexirion.events import catalog, commands, run, step
from elexirion.events.envelope import Record, UnknownData
from elexirion.events.record_model import RecordModel
from elexirion.events.values import Inline
from elexirion.projections.partition import Accepted, PartitionFold

from tests.events.goldens import example
from tests.projections.partition_log import RUN, START, WORKER, PartitionLog, RunLog, failure, started

OTHER = "w2.cccc"
TERMINALS: list[type[RecordModel]] = [run.RunCompleted, run.RunFailed, run.RunCancelled, run.RunQuarantined]


def changed_by(log: RunLog, record: Record) -> str | None:
    """Why the record is refused; asserts that a refused one has no effect."""
    before, fold = log.state, dict(log.fold.runs)
    refused = log.write(record)
    if refused:
        assert log.state is before
        assert log.fold.runs == fold
    return refused


# Reports --------------------------------------------------------------------------------------------------


def test_a_report_counts_while_its_execution_is_open() -> None:
    log = RunLog()
    log.schedule()
    assert log.begin() is None
    assert log.complete() is None
    assert log.state.steps["a"].status == "completed"
    assert log.state.steps["a"].result == Inline(value="done")
    assert log.state.executions[log.execution()].closed_by == "completed"


def test_a_late_result_after_cancel_changes_nothing() -> None:
    log = RunLog()
    log.schedule()
    log.end(run.RunCancelled)
    assert changed_by(log, log.reported(log.completed())) == "run_ended"


def test_a_late_result_of_a_superseded_execution_changes_nothing() -> None:
    log = RunLog()
    log.schedule()
    log.orphan()
    log.schedule(incarnation=OTHER)
    assert changed_by(log, log.reported(log.completed(n=1))) == "execution_closed"
    assert log.complete(incarnation=OTHER, value="second") is None
    assert log.state.steps["a"].result == Inline(value="second")


def test_a_result_before_its_schedule_changes_nothing() -> None:
    log = RunLog()
    assert changed_by(log, log.reported(log.completed(n=1))) == "unknown_execution"


def test_a_report_of_another_incarnation_changes_nothing() -> None:
    log = RunLog()
    log.schedule()
    assert changed_by(log, log.reported(log.completed(incarnation=OTHER))) == "other_incarnation"


def test_a_decline_of_another_incarnation_closes_nothing() -> None:
    log = RunLog()
    log.schedule()
    said = step.StepDeclined(execution_id=log.execution(), incarnation=OTHER, reason="not_mine")
    assert changed_by(log, log.reported(said)) == "other_incarnation"
    assert log.complete() is None


@pytest.mark.parametrize("reason", ["full", "draining"])
def test_a_decline_of_the_named_incarnation_closes_the_execution_and_spends_no_attempt(reason: str) -> None:
    log = RunLog()
    log.schedule()
    said = {"execution_id": log.execution(), "incarnation": WORKER, "reason": reason}
    assert log.report(step.StepDeclined.model_validate(said)) is None
    assert (log.state.steps["a"].status, log.state.steps["a"].failures) == ("pending", 0)
    assert log.complete() == "execution_closed"


def test_a_released_execution_is_closed_and_spends_no_attempt() -> None:
    log = RunLog()
    log.schedule()
    assert log.report(step.StepReleased(execution_id=log.execution(), incarnation=WORKER)) is None
    assert (log.state.steps["a"].status, log.state.steps["a"].failures) == ("pending", 0)


def test_the_first_terminal_report_closes_the_execution_and_a_second_one_changes_nothing() -> None:
    log = RunLog()
    log.schedule()
    assert log.fail() is None
    assert changed_by(log, log.reported(log.completed())) == "execution_closed"
    assert log.fail() == "execution_closed"
    assert log.state.steps["a"].failures == 1


def test_the_same_result_twice_counts_once() -> None:
    log = RunLog()
    log.schedule()
    log.complete()
    spent = log.state.cost_usd
    assert changed_by(log, log.reported(log.completed())) == "execution_closed"
    assert log.state.cost_usd == spent


def test_a_start_said_twice_does_not_give_the_execution_more_time() -> None:
    log = RunLog()
    log.schedule()
    log.begin()
    first = log.state.executions[log.execution()].started_at
    log.begin()
    assert log.state.executions[log.execution()].started_at == first


# Decisions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seq": 1}, "wrong_seq"), ({"seq": 3}, "wrong_seq"), ({"seq": -1}, "wrong_seq"),
        ({"prev": "else"}, "wrong_prev"), ({"prev": None}, "wrong_prev"),
    ],
)  # fmt: skip
def test_a_decision_out_of_its_chain_changes_nothing(changes: dict[str, object], reason: str) -> None:
    log = RunLog()
    assert changed_by(log, log.decision(log.scheduled(), **changes)) == reason
    assert log.schedule() is None


def test_a_refused_decision_uses_no_number_and_the_rest_of_its_batch_falls_with_it() -> None:
    log = RunLog("a", "b")
    rival = RunLog("a", "b")
    first = rival.decision(rival.scheduled("b"), author="o2")
    rival.land(first)
    second = rival.decision(rival.scheduled("a"), author="o2")
    log.schedule("a")
    assert changed_by(log, first) == "wrong_seq"
    assert changed_by(log, second) == "wrong_prev"
    assert log.state.seq == 2
    assert log.schedule("b") is None


def test_the_first_of_two_rival_decisions_wins() -> None:
    log = RunLog()
    mine = log.decision(log.scheduled(), author="o1")
    theirs = log.decision(log.scheduled(incarnation=OTHER), author="o2")
    assert log.write(theirs) is None
    assert changed_by(log, mine) == "wrong_seq"
    assert log.state.executions[log.execution()].incarnation == OTHER


def test_a_step_is_not_scheduled_while_an_execution_of_it_is_open() -> None:
    log = RunLog()
    log.schedule()
    assert changed_by(log, log.decision(log.scheduled())) == "step_not_ready"


def test_a_schedule_must_carry_the_next_number_of_its_step() -> None:
    log = RunLog()
    skipped = log.scheduled(execution_id=log.execution(n=2))
    assert changed_by(log, log.decision(skipped)) == "step_not_ready"


def test_a_step_that_is_not_in_the_pipeline_is_not_scheduled() -> None:
    log = RunLog()
    unknown = log.scheduled(step="z", execution_id=f"{RUN}/z#1")
    assert changed_by(log, log.decision(unknown)) == "unknown_step"


def test_a_completed_step_is_neither_scheduled_nor_skipped_nor_set() -> None:
    log = RunLog()
    log.schedule()
    log.complete()
    assert changed_by(log, log.decision(log.scheduled())) == "step_not_ready"
    assert changed_by(log, log.decision(step.StepSkipped(step="a", reason="r"))) == "step_not_ready"
    assert changed_by(log, log.decision(run.VariablesSet(step="a", values={}))) == "step_not_ready"
    refused = step.StepRefused(step="a", failure=failure("evaluation"))
    assert changed_by(log, log.decision(refused)) == "step_not_ready"


def test_a_retry_is_only_decided_for_a_failed_step() -> None:
    log = RunLog()
    retry = step.StepRetryScheduled(step="a", attempt=2, due_at=START, delay_s=1, failure=failure())
    assert changed_by(log, log.decision(retry)) == "step_not_ready"
    log.schedule()
    log.fail()
    assert log.decide(retry) is None
    assert changed_by(log, log.decision(retry)) == "step_not_ready"


@pytest.mark.parametrize("kind", [step.StepTimedOut, step.StepOrphaned])
def test_only_an_open_execution_times_out_or_is_orphaned(kind: type[RecordModel]) -> None:
    log = RunLog()
    extra = {"timeout_s": 1} if kind is step.StepTimedOut else {"incarnation": WORKER, "reason": "worker_left"}
    said = {"execution_id": log.execution(n=1), **extra}
    assert changed_by(log, log.decision(kind.model_validate(said))) == "unknown_execution"
    log.schedule()
    log.complete()
    assert changed_by(log, log.decision(kind.model_validate(said))) == "execution_closed"


def test_an_orphaned_execution_spends_no_attempt_and_a_timed_out_one_does() -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    log.orphan("a")
    assert (log.state.steps["a"].status, log.state.steps["a"].failures) == ("pending", 0)
    log.schedule("b")
    log.begin("b")
    log.decide(step.StepTimedOut(execution_id=log.execution("b"), timeout_s=300))
    known = log.state.steps["b"]
    assert (known.status, known.failures) == ("failed", 1)
    assert known.failure and known.failure.kind == "timeout_total"


@pytest.mark.parametrize(
    ("begun", "reason", "ran_s", "crashes"),
    [
        (True, "lease_expired", 4.9, 1),
        (True, "lease_expired", 5.0, 0),
        (True, "lease_expired", None, 0),
        (True, "worker_left", 1.0, 0),
        (True, "lane_dropped", 1.0, 0),
        (False, "lease_expired", 1.0, 0),
    ],
)
def test_only_a_started_step_whose_worker_died_by_itself_within_five_seconds_counts_as_a_crash(
    begun: bool, reason: str, ran_s: float | None, crashes: int
) -> None:
    log = RunLog()
    log.schedule()
    if begun:
        log.begin()
    log.orphan(reason=reason, ran_s=ran_s)
    assert log.state.steps["a"].crashes == crashes


# The beginning and the end --------------------------------------------------------------------------------


def test_nothing_counts_before_the_run_started() -> None:
    sample = RunLog()
    sample.schedule()
    log = PartitionLog()
    assert log.write(sample.decision(run.RunResumed(command_id="c"))) == "no_run"
    assert log.write(sample.reported(sample.completed())) == "no_run"


def test_a_run_is_started_once() -> None:
    log = RunLog()
    again = started(RUN, "start", ("a", "b"), log.now, author="o2")
    assert changed_by(log, again) == "run_exists"
    assert list(log.state.steps) == ["a"]


def test_a_run_that_ended_is_not_started_again() -> None:
    log = RunLog()
    log.end()
    log.receive(commands.StartRun(pipeline="…"), "again")
    assert log.write(started(RUN, "again", ("a",), log.now)) == "run_exists"


def test_a_run_without_a_command_is_not_started() -> None:
    assert PartitionLog().write(started(RUN, "start", ("a",), START)) == "no_such_command"


def test_a_run_is_not_started_by_the_command_of_another_run() -> None:
    log = PartitionLog()
    log.receive(commands.StartRun(pipeline="…"), "start", "run-2")
    assert log.write(started(RUN, "start", ("a",), START)) == "no_such_command"


def test_a_run_begins_with_number_one() -> None:
    log = PartitionLog()
    log.receive(commands.StartRun(pipeline="…"), "start")
    record = started(RUN, "start", ("a",), START)
    assert log.write(replace(record, seq=2)) == "wrong_seq"
    assert log.write(replace(record, prev="x")) == "wrong_seq"
    assert log.write(record) is None


@pytest.mark.parametrize("terminal", TERMINALS, ids=lambda kind: kind.__name__)
def test_a_terminal_event_is_the_last_of_its_run(terminal: type[RecordModel]) -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    assert log.end(terminal) is None
    assert RUN not in log.fold.runs and RUN in log.fold.ended
    for later in (log.scheduled("b"), run.RunResumed(command_id="c"), run.VariablesSet(step="b", values={})):
        assert changed_by(log, log.decision(later)) == "run_ended"
    assert changed_by(log, log.reported(log.completed("a"))) == "run_ended"
    assert log.end(run.RunFailed) == "run_ended"


@pytest.mark.parametrize("terminal", TERMINALS, ids=lambda kind: kind.__name__)
def test_a_terminal_event_closes_all_open_executions(terminal: type[RecordModel]) -> None:
    log = RunLog("a", "b", "c")
    for name in ("a", "b", "c"):
        log.schedule(name)
    log.complete("a")
    log.end(terminal)
    assert [e.closed_by for e in log.state.executions.values()] == ["completed", "run_ended", "run_ended"]
    assert log.state.open_executions() == []


def test_a_record_of_an_unknown_type_does_not_count() -> None:
    log = RunLog()
    unknown = replace(log.decision(log.scheduled(), prev="no one"), type="MoonRisen", data=UnknownData("MoonRisen", 1))
    assert changed_by(log, unknown) == "unknown_type"


@pytest.mark.parametrize("name", ["PauseRun", "StepChunk", "ExecuteStep", "WorkerLeft"])
def test_a_record_of_another_topic_does_not_count_on_events(name: str) -> None:
    log = RunLog()
    assert changed_by(log, replace(example(catalog.BY_NAME[name]), run_id=RUN)) == "unknown_type"


def test_a_definition_that_cannot_be_folded_is_refused_and_touches_nothing_else() -> None:
    log = RunLog(run_id="run-2")
    log.receive(commands.StartRun(pipeline="…"), "broken", RUN)
    broken = started(RUN, "broken", ("a",), log.now, definition={"steps": [{"type": "without a name"}]})
    assert log.write(broken) == "fold_error"
    assert RUN not in log.fold.runs
    assert log.schedule() is None


def test_positions_count_accepted_records_of_the_run() -> None:
    log = RunLog()
    records = [log.decision(log.scheduled())]
    fold: PartitionFold = log.fold
    assert fold.apply(records[0], 7, log.now) == Accepted(2)
    assert fold.next_offset == 8
    assert fold.apply(records[0], 8, log.now) != Accepted(3)
    assert fold.refused == 1
