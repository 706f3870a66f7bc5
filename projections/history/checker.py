"""The history checker: every promise of the log, held against the records of a log.

`check` takes a whole history. `Checker` takes one partition after another, so that a large log is never held:
commands and dead letters first, then of each partition its events and, after those, its chunks (a result that
was read says which chunks are there by now).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from elexirion.events.codec import UndecodableError, decode
from elexirion.projections.history.calls import Calls
from elexirion.projections.history.commands import Fates, Outcomes
from elexirion.projections.history.rebuild import Rebuild
from elexirion.projections.history.records import Call, History, Seen, Written
from elexirion.projections.history.run_history import Execution, RunHistory
from elexirion.projections.history.run_invariants import broken, broken_at_end
from elexirion.projections.history.snapshots import Snapshots
from elexirion.projections.history.texts import Texts, broken_texts
from elexirion.projections.history.violation import Violation, at_place, at_record
from elexirion.projections.snapshot import Restored


@dataclass(slots=True)
class Counts:
    """What was read: records of each kind, and how many counted."""

    events: int = 0
    accepted: int = 0
    refused: int = 0
    unreadable: int = 0
    runs: int = 0
    chunks: int = 0
    commands: int = 0
    dead_letters: int = 0
    calls: int = 0
    snapshots: int = 0


@dataclass(slots=True)
class Findings:
    """What a check found. `open_runs` and `waiting_commands` are no violations where work may go on."""

    violations: list[Violation] = field(default_factory=list)
    open_runs: list[str] = field(default_factory=list)
    waiting_commands: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


class Checker:
    """Checks a log partition by partition; `at_rest` says that nothing is under way in it any more.

    `calls` is what providers were asked, None where nobody kept a ledger.
    """

    def __init__(self, calls: Iterable[Call] | None = None, *, at_rest: bool = False) -> None:
        self.findings = Findings()
        self._calls = Calls(calls) if calls is not None else None
        self._at_rest = at_rest
        self._fates = Fates()
        self._fired: dict[str, str] = {}
        self._known: set[str] = set()

    def knows(self, run_ids: Iterable[str], fired: Iterable[tuple[str, str]]) -> None:
        """Runs of a partition, also refused ones, and those that its schedules fired, each with its schedule."""
        self._known.update(run_ids)
        self._fired.update(fired)

    def command(self, written: Written) -> None:
        """A record of `commands`."""
        self.findings.counts.commands += 1
        self._fates.published(written)

    def dead_letter(self, written: Written) -> None:
        """A record of `dead-letters`."""
        self.findings.counts.dead_letters += 1
        self._fates.buried(written)

    def partition(
        self, number: int, *, chunks_gone: bool = False, snapshots: Iterable[Restored] = ()
    ) -> "PartitionChecker":
        """The next partition; `chunks_gone`: its oldest chunks are not kept any more. `snapshots` are those of it."""
        checking = PartitionChecker(
            self, number, self._fates, self._calls, at_rest=self._at_rest, chunks_gone=chunks_gone
        )
        checking.snapshots = Snapshots(snapshots)
        return checking

    def finish(self) -> Findings:
        """What is known only at the end, and all that was found."""
        found, waiting = self.findings, self._fates.lost()
        found.violations += self._fates.twice()
        if self._at_rest:
            message = "the command is neither in the log nor in the dead letters"
            found.violations += [at_place("command_lost", where, message, run_id) for where, run_id in waiting]
            found.violations += [
                Violation("firing_lost", f"the run {fired} was fired, and nothing is known of it", schedule)
                for fired, schedule in self._fired.items()
                if fired not in self._known
            ]
        else:
            found.waiting_commands += [run_id or f"{w.topic}/{w.partition}/{w.offset}" for w, run_id in waiting]
        if self._calls is not None:
            found.counts.calls = self._calls.made
            found.violations += self._calls.broken()
        return found


class PartitionChecker:
    """Checks one partition: its events in order, then its chunks in order, then `finish`."""

    def __init__(
        self, whole: Checker, number: int, fates: Fates, calls: Calls | None, *, at_rest: bool, chunks_gone: bool
    ) -> None:  # fmt: skip
        self._whole = whole
        self._found = whole.findings
        self._fates = fates
        self._calls = calls
        self._at_rest = at_rest
        self._chunks_gone = chunks_gone
        self._rebuild = Rebuild(number)
        self._outcomes = Outcomes()
        self._texts = Texts()
        self.snapshots = Snapshots(())
        self._runs: dict[str, RunHistory] = {}

    def event(self, written: Written) -> None:
        """The next record of `events`."""
        self._found.counts.events += 1
        self._found.violations += self.snapshots.before(written.offset, self._rebuild.fold)
        try:
            record = decode(written.value)
        except UndecodableError:
            self._found.counts.unreadable += 1
            self._rebuild.passed_over(written.offset)
            return
        seen, found = self._rebuild.take(written, record)
        self._found.violations += found
        self._found.violations += self._judge(seen)

    def _judge(self, seen: Seen) -> Iterator[Violation]:
        self._found.counts.accepted += seen.accepted
        self._found.counts.refused += not seen.accepted
        history = self._runs.setdefault(seen.record.run_id, RunHistory(seen.record.run_id))
        yield from broken(history, seen)
        yield from self._outcomes.take(seen)
        yield from self._fates.took(seen)
        history.note(seen)

    def chunk(self, written: Written) -> None:
        """The next record of `chunks`."""
        self._found.violations += self._texts.take(written)

    def finish(self) -> None:
        """What the partition breaks as a whole."""
        found = self._found
        found.violations += self._rebuild.finish()
        found.violations += self.snapshots.finish(self._rebuild.fold)
        found.counts.snapshots += self.snapshots.compared
        found.counts.chunks += self._texts.chunks
        for history in self._runs.values():
            found.counts.runs += history.started
            found.violations += broken_at_end(history)
            if self._calls is not None:
                self._calls.logged(history)
        fired = [(run_id, one.run_id) for one in self._runs.values() for _, run_id in one.fired]
        self._whole.knows(self._runs, fired)
        executions: dict[str, Execution] = {}
        for history in self._runs.values():
            executions |= history.executions
        found.violations += broken_texts(
            self._texts.texts, executions, self._rebuild.fold.latest, whole=self._at_rest, gone=self._chunks_gone
        )
        self._open()

    def _open(self) -> None:
        """Runs that have not ended and commands without an outcome."""
        open_runs = [one for one in self._runs.values() if one.started and not one.ended]
        still = [one.run_id for one in open_runs if not (one.schedule and self._at_rest)]
        waiting = self._outcomes.waiting()
        if not self._at_rest:
            self._found.open_runs += still
            self._found.waiting_commands += [_command_id(seen) for seen in waiting]
            return
        self._found.violations += [Violation("run_open", f"run {id} has no terminal event", id) for id in still]
        self._found.violations += [
            at_record("command_without_outcome", seen, f"the command {_command_id(seen)} has no outcome")
            for seen in waiting
        ]


def check(history: History) -> list[Violation]:
    """Every broken promise of a history; empty where all hold."""
    return examine(history).violations


def examine(history: History) -> Findings:
    """Check a history and count what is in it."""
    checker = Checker(history.calls, at_rest=history.at_rest)
    for written in history.commands:
        checker.command(written)
    for written in history.dead_letters:
        checker.dead_letter(written)
    events, chunks = _by_partition(history.events), _by_partition(history.chunks)
    for number in sorted(events.keys() | chunks.keys()):
        partition = checker.partition(number, chunks_gone=history.chunks_gone)
        for written in events.get(number, ()):
            partition.event(written)
        for written in chunks.get(number, ()):
            partition.chunk(written)
        partition.finish()
    return checker.finish()


def _by_partition(records: Iterable[Written]) -> dict[int, list[Written]]:
    found: dict[int, list[Written]] = {}
    for written in records:
        found.setdefault(written.partition, []).append(written)
    return found


def _command_id(seen: Seen) -> Any:
    return seen.record.raw.get("command_id")
