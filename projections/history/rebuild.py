"""Two folds of one partition: of all its records, and of those alone that counted, each read anew.

What was refused must have had no effect, and two readers must agree after every record: so the two are compared
after each one, as far as a digest tells, and whole at every run's end and at the end of the log. Records of types and
versions that are not known here are read by both: a newer program wrote them, and a fold may set their run aside.
"""

from collections.abc import Iterator

from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.codec import decode
from elexirion.events.envelope import Record
from elexirion.projections.evolve import evolve
from elexirion.projections.history.records import Seen, Written
from elexirion.projections.history.violation import Violation, at_record
from elexirion.projections.partition import PartitionFold, Refused
from elexirion.projections.run_state import RunState
from elexirion.projections.snapshot import SnapshotUnusableError, differences, restore
from elexirion.projections.snapshot import take as take_snapshot
from elexirion.projections.tally import Tally

SNAPSHOT_AT = frozenset({10, 100, 1_000, 10_000})
SNAPSHOT_EACH = 100_000
"""After so many records that count, one of the folds goes on from a snapshot of itself."""


class Rebuild:
    """Folds a partition twice and says where the two differ."""

    def __init__(self, partition: int) -> None:
        self.fold = PartitionFold(partition)
        self._again = PartitionFold(partition)
        self._counted = 0

    def take(self, written: Written, record: Record) -> tuple[Seen, list[Violation]]:
        """The record as the fold of all records sees it, and where the other fold does not agree."""
        before = self.fold.runs.get(record.run_id)
        verdict = self.fold.apply(record, written.offset, written.at)
        refused = verdict.reason if isinstance(verdict, Refused) else None
        after = before if refused else self._after(before, record)
        seen = Seen(written, record, refused, before, after)
        if refused and not record.known:
            self._again.apply(record, written.offset, self.fold.latest)
        return seen, [] if refused else [*self._agrees(seen), *self._go_on_from_snapshot(seen)]

    def passed_over(self, offset: int) -> None:
        """A record that nobody can read: it changes nothing but the place."""
        self.fold.next_offset = offset + 1

    def _after(self, before: RunState | None, record: Record) -> RunState | None:
        """An ended run is not kept by the fold; its last state is made here."""
        ended = before is not None and record.type in TERMINAL_NAMES
        return evolve(before, record) if before and ended else self.fold.runs.get(record.run_id)

    def _agrees(self, seen: Seen) -> Iterator[Violation]:
        """The fold of what counted takes the record as well, and stands where the other one does.

        Time is the one thing that refused records do bring: the other fold is given the time that was reached.
        """
        run_id, again = seen.record.run_id, self._again
        before = again.runs.get(run_id)
        record = decode(seen.written.value)
        verdict = again.apply(record, seen.written.offset, self.fold.latest)
        if isinstance(verdict, Refused):
            yield at_record("rebuild_differs", seen, f"without refused records it is refused: {verdict.reason}")
        elif _stands(again.runs.get(run_id)) != _stands(self.fold.runs.get(run_id)):
            yield at_record("rebuild_differs", seen, f"after this {record.type} a second reading stands elsewhere")
        elif record.type in TERMINAL_NAMES and (before, again.ended.get(run_id)) != (
            seen.before, self.fold.ended.get(run_id)
        ):  # fmt: skip
            yield at_record("rebuild_differs", seen, "a second reading ends in another state")

    def _go_on_from_snapshot(self, seen: Seen) -> Iterator[Violation]:
        """Now and then the other fold is put away as a snapshot and goes on from there: it must make no difference."""
        self._counted += 1
        if self._counted % SNAPSHOT_EACH and self._counted not in SNAPSHOT_AT:
            return
        try:
            taken = take_snapshot(self._again, Tally(), 1)
            documents = {name: encode() for name, encode in taken.documents}
            again = restore(taken.documents[-1][0], documents).fold
        except (SnapshotUnusableError, TypeError, ValueError) as error:
            yield at_record("snapshot_differs", seen, f"no snapshot can be taken here: {type(error).__name__}: {error}")
            return
        for difference in differences(self._again, again):
            yield at_record("snapshot_differs", seen, f"a snapshot taken here differs from the fold in {difference}")
        self._again = again

    def finish(self) -> Iterator[Violation]:
        """Whether both folds hold the same at the end of the log."""
        one, other = self.fold, self._again
        for run_id in one.runs.keys() | other.runs.keys():
            if one.runs.get(run_id) != other.runs.get(run_id):
                yield Violation("rebuild_differs", "a second reading of the open run gives another state", run_id)
        for name in ("pending", "ended", "commands"):
            if getattr(one, name) != getattr(other, name):
                message = f"a second reading of partition {one.partition} knows other {name}"
                yield Violation("rebuild_differs", message, partition=one.partition)


def _stands(state: RunState | None) -> tuple[object, ...]:
    return (state.position, state.digest, state.seq, state.last, state.status) if state else ()
