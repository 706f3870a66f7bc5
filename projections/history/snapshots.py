"""Snapshots of a partition, held against its fold: each has to say what the log before its offset says."""

from collections.abc import Iterable, Iterator

from elexirion.projections.history.violation import Violation
from elexirion.projections.partition import PartitionFold
from elexirion.projections.snapshot import Restored, differences

SHOWN = 20


class Snapshots:
    """Those that were found, compared as the fold of all records comes by; `compared` counts them."""

    def __init__(self, found: Iterable[Restored]) -> None:
        self._waiting = sorted(found, key=lambda one: one.contents.offset)
        self.compared = 0

    def before(self, offset: int, fold: PartitionFold) -> Iterator[Violation]:
        """Compare those that end before `offset`, the next record; the fold has not taken it yet."""
        while self._waiting and self._waiting[0].contents.offset <= offset:
            yield from self._compare(self._waiting.pop(0), fold)

    def finish(self, fold: PartitionFold) -> Iterator[Violation]:
        """At the end of the log: a snapshot of records that are not there is one of another log."""
        yield from self.before(fold.next_offset, fold)
        for one in self._waiting:
            at = one.contents.offset
            message = f"a snapshot ends at offset {at}, and the log at {fold.next_offset}: records are gone"
            yield Violation("snapshot_differs", message, partition=fold.partition)

    def _compare(self, one: Restored, fold: PartitionFold) -> Iterator[Violation]:
        self.compared += 1
        for difference in differences(fold, one.fold)[:SHOWN]:
            message = f"the snapshot at offset {one.contents.offset} differs from the fold in {difference}"
            yield Violation("snapshot_differs", message, partition=fold.partition)
