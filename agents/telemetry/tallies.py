"""The tallies of an orchestrator's partitions. They stand and go on exactly like the folds they belong to."""

from collections.abc import Iterator, Mapping

from elexirion.agents.orchestrator.partitions import Owned
from elexirion.projections.tally import Tally


class Tallies:
    """The counts of the partitions that are owned: those of the log, whoever restarted."""

    def __init__(self, owned: Mapping[int, Owned]) -> None:
        self._owned = owned

    def __iter__(self) -> Iterator[tuple[int, Tally]]:
        """Partition and tally of what is owned and read to its end: a half-read log would look like a burst."""
        for partition, owned in sorted(self._owned.items()):
            if owned.caught_up:
                yield partition, owned.tally
