"""A topic of snapshots in memory: what was written, and what is restored of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from elexirion.events.envelope import Record
from elexirion.projections.partition import PartitionFold
from elexirion.projections.snapshot import Restored, Taken, restore, take
from elexirion.projections.snapshot_contents import Contents, snapshots_in
from elexirion.projections.tally import Tally

PARTITIONS = 8


@dataclass
class Followed:
    """A partition with its tally, as an orchestrator follows it."""

    fold: PartitionFold = field(default_factory=lambda: PartitionFold(0))
    tally: Tally = field(default_factory=Tally)

    def read(self, records: Sequence[tuple[Record, datetime]], to: int | None = None) -> "Followed":
        """Read on, to the end or to an offset."""
        for record, at in records[self.fold.next_offset : to]:
            before = self.fold.runs.get(record.run_id)
            self.tally.take(record, self.fold.apply(record, self.fold.next_offset, at), before)
        return self


@dataclass
class Topic:
    """Documents by name; `written` counts how many were written in all."""

    documents: dict[str, bytes] = field(default_factory=dict)
    written: int = 0

    def write(self, taken: Taken, most: int | None = None) -> Contents:
        """Write what is new, or the first `most` documents of it."""
        for name, encode in taken.documents[:most]:
            self.documents[name] = encode()
            self.written += 1
        return taken.contents

    def snapshot(self, followed: Followed, before: Contents | None = None) -> Contents:
        """Write all that is new, and remove what nobody needs any more."""
        contents = self.write(take(followed.fold, followed.tally, PARTITIONS, before))
        for name in contents.outdated(self.documents, gone(followed, before)):
            del self.documents[name]
        return contents

    def newest(self) -> Restored:
        """The newest snapshot."""
        return restore(snapshots_in(self.documents)[0], self.documents)


def gone(followed: Followed, before: Contents | None) -> frozenset[str]:
    """Runs that are no longer open."""
    return frozenset({*followed.fold.ended, *(before.runs if before else ())} - followed.fold.runs.keys())


def restored(snapshot: Restored) -> Followed:
    """The partition of a snapshot, to be read on."""
    return Followed(snapshot.fold, snapshot.tally)
