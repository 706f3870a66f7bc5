"""The tallies of an orchestrator's partitions. They stand and go on exactly like the folds they belong to."""

from collections.abc import Iterator, Mapping

from elexirion.agents.orchestrator.follow import Followed
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.events.dead_letter import DeadLetter
from elexirion.projections.tally import Tally


class Tallies:
    """A Watcher that counts, replayed records too: so the counts are those of the log, whoever restarted."""

    def __init__(self, owned: Mapping[int, Owned]) -> None:
        self._owned = owned
        self._of: dict[int, Tally] = {}

    def took(self, owned: Owned, followed: Followed | DeadLetter) -> None:
        """Count one record."""
        tally = self._of.setdefault(owned.fold.partition, Tally())
        if isinstance(followed, DeadLetter):
            tally.unreadable()
        else:
            tally.take(followed.record, followed.verdict, followed.before)

    def __iter__(self) -> Iterator[tuple[int, Tally]]:
        """Partition and tally of what is owned and read to its end: a half-read log would look like a burst."""
        for partition, owned in sorted(self._owned.items()):
            if owned.caught_up:
                yield partition, self._of.setdefault(partition, Tally())
