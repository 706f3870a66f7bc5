"""Errors of the fold itself, which no log brings about: what counts and should not is found."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from elexirion.events import commands, run
from elexirion.events.envelope import Record
from elexirion.projections.history import rebuild
from elexirion.projections.history.checker import check
from elexirion.projections.history.records import Seen
from elexirion.projections.history.run_history import RunHistory
from elexirion.projections.history.run_invariants import broken
from elexirion.projections.history.violation import Kind, Violation
from elexirion.projections.partition import PartitionFold
from elexirion.projections.snapshot import Restored

from tests.projections.history.histories import history_of, told, written
from tests.projections.partition_log import RunLog, failure


def kinds(found: Iterable[Violation]) -> set[Kind]:
    """The kinds of violations."""
    return {violation.kind for violation in found}


def _judged(log: RunLog, record: Record) -> set[Kind]:
    """What is said of a record that the fold takes though it should not."""
    history = RunHistory(log.run_id)
    fold = PartitionFold(0)
    for n, (known, when) in enumerate(log.records):
        before = fold.runs.get(log.run_id)
        fold.apply(known, n, when)
        history.note(Seen(written(n, known, "events", when), known, None, before, fold.runs.get(log.run_id)))
    seen = Seen(written(99, record, "events"), record, None, log.state, log.state)
    return kinds(broken(history, seen))


def test_what_counts_though_it_should_not_is_found() -> None:
    log = told()
    twice = log.reported(log.completed("a", value="other"), "again")
    assert {"accepted_after_end", "result_twice", "result_of_old_execution"} <= _judged(log, twice)
    assert "run_started_twice" in _judged(log, log.records[1][0])
    wrong = log.decision(run.RunFailed(failure=failure(), usage=log.state.usage, cost_usd=0, context_hash=""), seq=9)
    assert {"chain_broken", "accepted_after_end"} <= _judged(log, wrong)
    misnumbered = log.decision(log.scheduled("a", execution_id="run-1/a#5"))
    assert "chain_broken" in _judged(log, misnumbered)


def test_a_report_of_the_execution_before_the_newest_is_found() -> None:
    log = RunLog("a")
    log.schedule("a")
    log.begin("a")
    log.orphan("a")
    log.schedule("a")
    log.begin("a")
    assert "result_of_old_execution" in _judged(log, log.reported(log.completed("a", n=1)))


def test_a_snapshot_that_is_not_what_the_fold_holds_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog("a", "b")
    for name in ("a", "b"):
        log.schedule(name)
        log.begin(name)
        log.complete(name)
    log.end()
    restore = rebuild.restore

    def forgetful(name: str, documents: Mapping[str, bytes]) -> Restored:
        restored = restore(name, documents)
        restored.fold.commands.clear()
        return restored

    assert check(history_of(log, pieces=())) == []
    monkeypatch.setattr(rebuild, "SNAPSHOT_AT", {5})
    assert check(history_of(log, pieces=())) == []
    monkeypatch.setattr(rebuild, "restore", forgetful)
    assert "snapshot_differs" in kinds(check(history_of(log, pieces=())))


def test_a_fold_that_remembers_something_of_what_it_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    log = told()
    log.write(log.reported(log.completed("a", value="late"), "late"))
    apply = PartitionFold.apply

    def leaky(self: PartitionFold, record: Record, offset: int, broker_at: object) -> object:
        verdict = apply(self, record, offset, broker_at)  # type: ignore[arg-type]
        if self.refused:
            self.commands.setdefault("leak", ("x", self.latest))
        return verdict

    monkeypatch.setattr(PartitionFold, "apply", leaky)
    assert kinds(check(history_of(log))) == {"rebuild_differs"}


def test_an_outcome_that_no_command_waits_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog("a")
    log.receive(commands.PauseRun(), "pause")
    log.decide(run.RunPaused(command_id="pause"))
    monkeypatch.setattr("elexirion.projections.partition.carried_out", lambda data: None)
    log.fold.pending.clear()
    again = log.decision(run.RunPaused(command_id="pause"))
    history = history_of(log, pieces=())
    events = [*history.events, written(len(log.records), again, "events")]
    assert "outcome_twice" in kinds(check(replace(history, events=events, at_rest=False)))
