"""A log in order breaks no promise; each broken one is found, where it stands."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from elexirion.events import commands, run, step
from elexirion.events.dead_letter import DeadLetter, Redriven
from elexirion.projections.history.checker import check, examine
from elexirion.projections.history.records import Call, History, Written
from elexirion.projections.history.violation import MEANS, Kind, Violation

from tests.projections.history.histories import PIECES, ask, chunk, history_of, renumbered, told, written
from tests.projections.partition_log import START, RunLog, failure


def kinds(history: History) -> set[Kind]:
    """The kinds of violations found."""
    return {violation.kind for violation in check(history)}


def at(history: History, type_name: str, nth: int = 0) -> int:
    """Where the nth record of a type stands in the events."""
    found = [n for n, one in enumerate(history.events) if orjson.loads(one.value or b"")["type"] == type_name]
    return found[nth]


def without(history: History, type_name: str, nth: int = 0) -> History:
    """The history with one event less."""
    events = list(history.events)
    del events[at(history, type_name, nth)]
    return replace(history, events=renumbered(events))


def test_a_log_in_order_breaks_no_promise() -> None:
    found = examine(history_of(told()))
    assert found.violations == []
    assert (found.counts.runs, found.counts.events, found.counts.chunks, found.counts.calls) == (1, 8, 3, 1)
    assert not found.open_runs


def test_late_and_doubled_records_are_no_violation() -> None:
    history = history_of(told())
    events = list(history.events)
    doubled = [copy for one in events for copy in (one, one)]
    assert kinds(replace(history, events=renumbered([*doubled, *events]))) == set()


def test_orphaned_and_retried_executions_are_no_violation() -> None:
    log = RunLog("a")
    log.schedule("a")
    log.begin("a")
    ask(log)
    log.fail("a")
    log.decide(step.StepRetryScheduled(step="a", attempt=2, due_at=START, delay_s=1, failure=failure()))
    log.schedule("a")
    log.begin("a")
    ask(log)
    log.orphan("a")
    log.schedule("a", "w2.cccc")
    log.begin("a", "w2.cccc")
    log.complete("a", n=2)
    log.complete("a", "w2.cccc")
    log.end()
    assert log.refusals.count("execution_closed") == 1
    assert check(history_of(log, pieces=())) == []


def test_an_open_run_is_reported_and_only_at_rest_a_violation() -> None:
    log = RunLog("a")
    log.receive(commands.PauseRun(), "pause")
    history = history_of(log, pieces=())
    found = examine(replace(history, at_rest=False))
    assert (found.violations, found.open_runs, found.waiting_commands) == ([], [log.run_id], ["pause"])
    assert kinds(history) == {"run_open", "command_without_outcome"}


@pytest.mark.parametrize("type_name", ["RunStarted", "StepScheduled"])
def test_a_dropped_decision_is_missed_by_the_one_after_it(type_name: str) -> None:
    assert "decision_missing" in kinds(without(history_of(told()), type_name))


def test_a_dropped_report_is_missed_by_the_end_of_the_run() -> None:
    assert {"records_missing", "run_open"} <= kinds(without(history_of(told()), "ProviderResponded"))


def test_a_report_of_an_execution_that_nobody_scheduled_is_found() -> None:
    assert "unscheduled" in kinds(without(history_of(told()), "StepScheduled"))


def test_a_result_before_its_start_is_found() -> None:
    history = history_of(told())
    events = list(history.events)
    began, ended = at(history, "StepStarted"), at(history, "StepCompleted")
    events[began], events[ended] = events[ended], events[began]
    assert {"not_started", "records_missing"} <= kinds(replace(history, events=renumbered(events)))


def test_an_altered_decision_no_longer_has_its_id() -> None:
    history = _altered(history_of(told()), "StepScheduled", b'"attempt":1', b'"attempt":2')
    assert {"decision_altered", "context_hash_differs"} <= kinds(history)


def test_an_altered_report_changes_the_hash_at_the_end() -> None:
    history = _altered(history_of(told()), "StepCompleted", b"Tides", b"Times")
    [violation] = check(history)
    assert (violation.kind, violation.run_id, violation.position) == ("context_hash_differs", "run-1", 7)
    assert violation.offset == at(history, "RunCompleted")
    assert violation.place == f"events/0/{violation.offset}"
    assert violation.document()["means"] == MEANS["context_hash_differs"]


def test_an_altered_command_no_longer_has_its_hash() -> None:
    assert "command_altered" in kinds(_altered(history_of(told()), "CommandReceived", "…".encode(), b"-"))


def _altered(history: History, type_name: str, before: bytes, after: bytes) -> History:
    events, n = list(history.events), at(history, type_name)
    value = events[n].value or b""
    assert before in value
    events[n] = replace(events[n], value=value.replace(before, after))
    return replace(history, events=events)


def test_a_second_result_under_the_id_of_the_first_is_found() -> None:
    history = history_of(told())
    events, n = list(history.events), at(history, "StepCompleted")
    other = replace(events[n], value=(events[n].value or b"").replace(b"Tides", b"Waves"))
    assert kinds(replace(history, events=renumbered([*events[: n + 1], other, *events[n + 1 :]]))) == {"id_reused"}


def test_a_worker_that_runs_what_was_given_to_another_is_found() -> None:
    log = RunLog("a")
    log.schedule("a")
    assert log.begin("a", "w9.zzzz") == "other_incarnation"
    assert kinds(replace(history_of(log, pieces=()), at_rest=False)) == {"ran_by_another"}


def test_a_worker_that_declines_what_was_given_to_another_does_right() -> None:
    log = RunLog("a")
    log.schedule("a")
    log.report(step.StepDeclined(execution_id=log.execution(), incarnation="w9.zzzz", reason="not_mine"))
    assert kinds(replace(history_of(log, pieces=()), at_rest=False)) == set()


def test_a_worker_that_declines_again_does_right() -> None:
    log = RunLog("a")
    log.schedule("a")
    for _ in range(2):
        log.report(step.StepDeclined(execution_id=log.execution(), incarnation="w9.zzzz", reason="not_mine"))
    assert kinds(replace(history_of(log, pieces=()), at_rest=False)) == set()


def test_two_orchestrators_may_reject_a_command_in_different_words() -> None:
    log = RunLog("a")
    log.receive(commands.PauseRun(), "pause")
    content = log.fold.pending["pause"].received.content_hash
    for reason in ("there is no run", "the run ended already"):
        data = run.CommandRejected(command_id="pause", content_hash=content, reason_code="run_ended", reason=reason)
        log.write(log.reported(data, "rejected"))
    assert log.refusals[-2:] == [None, "no_such_command"]
    assert kinds(replace(history_of(log, pieces=()), at_rest=False)) == set()


def test_an_execution_and_a_call_that_begin_again_are_found() -> None:
    log = RunLog("a")
    log.schedule("a")
    for _ in range(2):
        log.begin("a")
        ask(log)
    assert {"started_twice", "call_repeated"} == kinds(replace(history_of(log, pieces=()), at_rest=False, calls=None))


def test_more_executions_with_calls_than_attempts_and_losses_explain_are_found() -> None:
    log = RunLog("a")
    for _ in range(2):
        log.schedule("a", attempt=1)
        log.begin("a")
        ask(log)
        log.fail("a")
        log.decide(step.StepRetryScheduled(step="a", attempt=2, due_at=START, delay_s=0, failure=failure()))
    assert kinds(replace(history_of(log, pieces=()), at_rest=False)) == {"too_many_executions_called"}


# Text ------------------------------------------------------------------------------------------------------


def _with_chunks(chunks: list[Written]) -> History:
    return history_of(told(), chunks=chunks)


def test_a_missing_chunk_is_found_in_the_middle_and_at_both_ends() -> None:
    for n in range(len(PIECES)):
        chunks = list(history_of(told()).chunks)
        del chunks[n]
        assert kinds(_with_chunks(chunks)) == {"chunk_missing"}, n
    assert kinds(_with_chunks([])) == {"chunk_missing"}


def test_text_whose_beginning_is_not_kept_any_more_is_no_violation() -> None:
    chunks = list(history_of(told()).chunks)
    for kept in (chunks[1:], []):
        assert check(replace(_with_chunks(kept), chunks_gone=True)) == []


def test_a_changed_chunk_is_found() -> None:
    chunks = list(history_of(told()).chunks)
    changed = replace(chunks[1], value=(chunks[1].value or b"").replace(b"rise", b"rose"))
    assert kinds(_with_chunks([chunks[0], changed, chunks[2]])) == {"text_differs"}
    assert kinds(_with_chunks([chunks[0], chunks[1], changed, chunks[2]])) == {"chunk_altered"}
    assert kinds(_with_chunks([chunks[0], chunks[0], *chunks[1:]])) == set()


def test_chunks_of_nobody_and_chunks_out_of_time_are_found() -> None:
    chunks = list(history_of(told()).chunks)
    stray = written(9, chunk(told(), 1, "x", "run-1/a#7"), "chunks")
    assert kinds(_with_chunks([*chunks, stray])) == {"chunk_unscheduled"}
    late = [replace(one, at=START + timedelta(minutes=5)) for one in chunks]
    assert kinds(_with_chunks(late)) == {"chunk_out_of_time"}
    early = [replace(one, at=START - timedelta(minutes=5)) for one in chunks]
    assert kinds(_with_chunks(early)) == {"chunk_out_of_time"}


def test_chunks_of_what_is_scheduled_since_are_no_violation_while_work_goes_on() -> None:
    stray = written(9, chunk(told(), 1, "x", "run-1/a#7"), "chunks", START + timedelta(hours=1))
    history = _with_chunks([*history_of(told()).chunks, stray])
    assert kinds(replace(history, at_rest=False)) == set()


# Calls and commands ----------------------------------------------------------------------------------------


def test_the_ledger_of_a_provider_and_the_log_agree_call_by_call() -> None:
    history = history_of(told())
    [call] = history.calls or ()
    assert kinds(replace(history, calls=[call, call])) == {"called_twice"}
    assert kinds(replace(history, calls=[call, Call("run-1/a#1/2")])) == {"call_not_in_log"}
    assert kinds(replace(history, calls=[])) == {"answer_without_call"}
    [violation] = check(replace(history, calls=[call, Call("run-1/a#1/2")]))
    assert violation.run_id == "run-1"


def _published(offset: int = 0) -> Written:
    return Written("commands", 0, offset, START, b'{"type": "StartRun", "id": "start", "run_id": "run-1", "data": {}}')


def _letter(offset: int = 0) -> Written:
    return Written("dead-letters", 0, 0, START, DeadLetter("commands", 0, offset, "not JSON", None, b"{").encode())


def test_each_published_command_is_received_or_buried() -> None:
    history = history_of(told(), commands=[_published(0)])
    assert kinds(history) == set()
    assert kinds(replace(history, dead_letters=[_letter(0)])) == {"command_received_and_buried"}
    both = replace(history, commands=[_published(0), _published(1)])
    assert kinds(both) == {"command_lost"}
    assert kinds(replace(both, dead_letters=[_letter(1)])) == set()
    assert examine(replace(both, at_rest=False)).waiting_commands == ["run-1"]


def test_a_command_that_was_redriven_has_one_outcome() -> None:
    mark = Redriven(0, 0, "commands", 0, 0, START).encode()
    history = history_of(told(), commands=[_published(0)])
    assert kinds(replace(history, dead_letters=[Written("dead-letters", 0, 1, START, mark)])) == set()


def test_a_command_that_stands_nowhere_is_found() -> None:
    log = told()
    log.receive(commands.CancelRun(), "forged", offset=5)
    published = [replace(_published(), offset=n) for n in (0, 4, 6)]
    assert "command_unknown" in kinds(history_of(log, commands=published))


def test_every_kind_has_a_meaning_in_one_or_two_sentences() -> None:
    for kind, means in MEANS.items():
        assert means.endswith("."), kind
        assert Violation(kind, "x").means == means


def test_what_cannot_be_read_is_counted_and_passed_over() -> None:
    history = history_of(told())
    events = [*history.events, Written("events", 0, 99, START, b"{"), Written("events", 0, 100, START, None)]
    found = examine(replace(history, events=events))
    assert (found.violations, found.counts.unreadable) == ([], 2)
