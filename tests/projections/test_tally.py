"""What is counted: the accepted records of a partition, once, whoever replays them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from elexirion.events import provider, run, step
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Inline
from elexirion.projections.partition import Accepted, PartitionFold, Refused
from elexirion.projections.tally import MODELS, OTHER, SECONDS, Durations, Tally
from hypothesis import given
from hypothesis import strategies as st

from tests.projections.partition_log import WORKER, PartitionLog, RunLog, failure


def tallied(records: Sequence[tuple[Record, datetime]]) -> Tally:
    """A fresh fold and tally over the records."""
    fold, tally = PartitionFold(0), Tally()
    for offset, (record, at) in enumerate(records):
        before = fold.runs.get(record.run_id)
        tally.take(record, fold.apply(record, offset, at), before)
    return tally


def called(log: RunLog, n: int = 1, model: str = "m", **fields: Any) -> None:
    """A provider call of step a that ended."""
    execution = log.execution("a")
    said: dict[str, Any] = {"usage": Usage(input_tokens=10, output_tokens=5), "cost_usd": 0.25, "duration_s": 2.0}
    data = provider.ProviderResponded(
        execution_id=execution, incarnation=WORKER, call_id=f"{execution}/{n}", provider="claude", model=model,
        **(said | fields),
    )  # fmt: skip
    assert log.report(data) is None


def begun(*steps: str, **fields: Any) -> RunLog:
    """A run whose step a has started."""
    log = RunLog(*(steps or ("a",)), **fields)
    assert log.schedule() is None
    assert log.begin() is None
    return log


def test_a_completed_step_counts_by_type_and_status_with_its_duration() -> None:
    log = begun()
    log.report(log.completed().model_copy(update={"duration_s": 0.3}))
    log.end()
    tally = tallied(log.records)
    assert tally.steps == {("test_echo", "completed"): 1}
    assert tally.step_durations["test_echo"].total_s == pytest.approx(0.3)
    assert tally.runs == {"started": 1, "completed": 1}


def test_each_failed_attempt_counts_and_so_does_the_retry() -> None:
    log = begun()
    log.fail(why=failure("overloaded"))
    log.decide(step.StepRetryScheduled(step="a", attempt=2, due_at=log.now, delay_s=0, failure=failure()))
    tally = tallied(log.records)
    assert tally.steps == {("test_echo", "failed"): 1}
    assert tally.retries == {"test_echo": 1}


def test_an_answer_from_the_cache_counts_and_is_no_call() -> None:
    log = begun()
    hit = step.CacheHit(execution_id=log.execution(), incarnation=WORKER, request_hash="r" * 64, written_at=log.now)
    assert log.report(hit) is None
    log.complete()
    tally = tallied(log.records)
    assert tally.cache_hits == {"test_echo": 1}
    assert tally.steps == {("test_echo", "completed"): 1}
    assert not tally.calls


def test_a_time_out_counts_with_the_time_it_was_given() -> None:
    log = begun()
    assert log.decide(step.StepTimedOut(execution_id=log.execution(), timeout_s=7)) is None
    tally = tallied(log.records)
    assert tally.steps == {("test_echo", "timed_out"): 1}
    assert tally.step_durations["test_echo"].total_s == 7


def test_a_lost_execution_is_no_failed_step() -> None:
    log = begun()
    assert log.orphan() is None
    tally = tallied(log.records)
    assert tally.lost == {"orphaned": 1}
    assert not tally.steps


def test_a_skipped_step_has_no_duration() -> None:
    log = RunLog("a")
    assert log.decide(step.StepSkipped(step="a", reason="no")) is None
    tally = tallied(log.records)
    assert tally.steps == {("test_echo", "skipped"): 1}
    assert not tally.step_durations


def test_a_step_without_execution_counts_by_its_decision() -> None:
    log = RunLog("a", "b")
    assert log.decide(run.VariablesSet(step="a", values={"x": 1})) is None
    assert log.decide(step.StepRefused(step="b", failure=failure("evaluation"))) is None
    assert tallied(log.records).steps == {("test_echo", "completed"): 1, ("test_echo", "failed"): 1}


def test_what_runs_when_its_run_ends_was_cancelled() -> None:
    log = begun("a", "b")
    assert log.end(run.RunCancelled) is None
    tally = tallied(log.records)
    assert tally.steps == {("test_echo", "cancelled"): 1}
    assert tally.runs == {"started": 1, "cancelled": 1}


def test_a_refused_record_counts_as_refused_and_nowhere_else() -> None:
    log = begun()
    log.complete()
    before = tallied(log.records)
    assert log.complete() == "execution_closed"
    assert log.fail(incarnation="zombie") == "execution_closed"
    after = tallied(log.records)
    assert after.refused["execution_closed"] == 2
    assert (after.steps, after.accepted) == (before.steps, before.accepted)


def test_tokens_cost_and_time_to_first_token_are_told_by_provider_and_model() -> None:
    log = begun()
    called(log, 1, usage=Usage(input_tokens=10, output_tokens=5, cache_read_tokens=3), first_chunk_s=0.4)
    called(log, 2, failure=Failure(kind="overloaded", message="busy"), usage=NO_USAGE, cost_usd=0.0)
    tally = tallied(log.records)
    model = ("claude", "m")
    assert tally.calls == {(*model, "ok"): 1, (*model, "overloaded"): 1}
    assert tally.tokens == {(*model, "input"): 10, (*model, "output"): 5, (*model, "cache_read"): 3}
    assert tally.cost_usd == {model: 0.25}
    assert tally.first_chunks[model].total_s == pytest.approx(0.4)
    assert tally.call_durations[model].total_s == 4


def test_an_unknown_price_is_counted_as_unknown_and_never_as_free() -> None:
    log = begun()
    called(log, cost_usd=None)
    tally = tallied(log.records)
    assert tally.unpriced == {("claude", "m"): 1}
    assert not tally.cost_usd


def test_models_beyond_the_bound_are_counted_together() -> None:
    log = begun()
    for n in range(MODELS + 5):
        called(log, n, model=f"m{n}")
    tally = tallied(log.records)
    assert len({key[:2] for key in tally.calls}) == MODELS + 1
    assert tally.calls[OTHER, OTHER, "ok"] == 5


def test_a_step_type_that_the_language_does_not_know_is_other() -> None:
    definition = {"name": "sample", "steps": [{"name": "a", "type": "x" * 500}]}
    log = begun(definition=definition)
    log.complete()
    assert tallied(log.records).steps == {(OTHER, "completed"): 1}


def test_a_concluded_step_took_from_its_beginning_to_its_end() -> None:
    log = RunLog("a")
    inside = step.StepExpanded(
        step="a", step_type="for_loop", shape="loop", children={}, items=Inline(value=[]), count=0
    )
    assert log.decide(inside) is None
    assert log.decide(step.StepConcluded(step="a", result=Inline(value=[]))) is None
    tally = tallied(log.records)
    assert tally.steps == {("test_echo", "completed"): 1}
    assert tally.step_durations["test_echo"].total_s == 1


@given(st.lists(st.sampled_from(["complete", "fail", "orphan", "late", "again", "call"]), max_size=12))
def test_replaying_a_log_gives_the_same_counts_as_following_it(moves: list[str]) -> None:
    log, live, seen = RunLog("a"), Tally(), 0
    fold = PartitionFold(0)
    for move in ["start", *moves]:
        if move != "start":
            log.schedule()
            log.begin()
        match move:
            case "start":
                pass
            case "complete":
                log.complete()
            case "fail":
                log.fail()
            case "orphan":
                log.orphan()
            case "late":
                log.complete(incarnation="zombie")
            case "again":
                log.complete()
                log.complete()
            case _:
                if any(execution.open for execution in log.state.open_executions()):
                    called(log, n=len(log.records))
        for record, at in log.records[seen:]:
            before = fold.runs.get(record.run_id)
            live.take(record, fold.apply(record, fold.next_offset, at), before)
        seen = len(log.records)
    assert tallied(log.records) == live
    assert live.accepted + sum(live.refused.values()) == len(log.records)
    assert sum(live.refused.values()) == fold.refused


def test_records_of_no_run_change_no_step() -> None:
    log = PartitionLog()
    log.start("a")
    tally = Tally()
    tally.take(log.records[0][0], Accepted(0), None)
    tally.take(log.records[0][0], Refused("duplicate_command"), None)
    tally.unreadable()
    assert (tally.accepted, dict(tally.refused), tally.unread) == (1, {"duplicate_command": 1}, 1)
    assert not (tally.steps or tally.runs["started"])


@given(st.lists(st.floats(min_value=0, max_value=2000), max_size=30))
def test_each_duration_falls_into_the_first_bucket_that_holds_it(seconds: list[float]) -> None:
    durations = Durations()
    for each in seconds:
        durations.add(each)
    assert sum(durations.buckets) == len(seconds)
    for index, bound in enumerate(SECONDS):
        assert sum(durations.buckets[: index + 1]) == sum(each <= bound for each in seconds)
