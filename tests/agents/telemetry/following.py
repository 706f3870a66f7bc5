"""A partition as an orchestrator follows it, fed from a log that a test wrote."""

from collections.abc import Sequence
from datetime import datetime

from elexirion.agents.orchestrator.follow import Followed
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.telemetry.followed_log import FollowedLog
from elexirion.events.envelope import Record
from elexirion.projections.partition import PartitionFold
from elexirion.projections.tally import Tally


class Orchestrator:
    """What an orchestrator does with its partitions as far as telemetry sees it."""

    def __init__(self) -> None:
        self.owned: dict[int, Owned] = {}
        self.followed = FollowedLog(self.owned)
        self._known: dict[int, tuple[PartitionFold, Tally]] = {}

    def gain(self, partition: int = 0) -> Owned:
        """Own a partition; nothing of it is read again that was read before."""
        fold, tally = self._known.setdefault(partition, (PartitionFold(partition), Tally()))
        self.owned[partition] = Owned(fold, tally=tally)
        return self.owned[partition]

    def lose(self, partition: int = 0) -> None:
        """Own it no longer."""
        del self.owned[partition]

    def read(self, records: Sequence[tuple[Record, datetime]], partition: int = 0, *, live: bool = True) -> None:
        """Read what the log holds behind the position; `live` afterwards, or all the while where it was so before."""
        owned = self.owned[partition]
        for record, at in records[owned.fold.next_offset :]:
            before = owned.fold.runs.get(record.run_id)
            verdict = owned.fold.apply(record, owned.fold.next_offset, at)
            self.followed.tell(owned, Followed(record, verdict, before))
        owned.caught_up = owned.caught_up or live
