"""Writing snapshots of the partitions that this orchestrator decides for, from time to time and only what changed.

The document that lists the others is written last and acknowledged before anything older is removed: whoever dies in
between leaves the snapshot before it.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.orchestrator.snapshot_topic import keys_of, parts_of
from elexirion.projections.snapshot import Taken, take
from elexirion.projections.snapshot_contents import Contents

log = structlog.get_logger(__name__)

LOOK_S = 0.5
WRITTEN_WITHIN_S = 30.0
AT_ONCE_BYTES = 256 * 1024
"""So much is on its way at a time, so that decisions do not queue behind a snapshot."""
BYTES_OF_A_RECORD = 1_000


@dataclass(slots=True)
class Written:
    """What is known to lie on the topic of one partition; `parts` are those of each document."""

    contents: Contents | None = None
    parts: dict[str, int] = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)
    size: int = 0


class SnapshotWriter:
    """A snapshot after `records` of a partition, or after `seconds` where it changed at all."""

    def __init__(self, appender: Appender, owned: Mapping[int, Owned], records: int, seconds: float) -> None:
        self._appender = appender
        self._owned = owned
        self._records = records
        self._seconds = seconds
        self._written: dict[int, Written] = {}

    def found(self, partition: int, parts: dict[str, int], contents: Contents | None) -> None:
        """What lay on the topic when the partition was gained, and which snapshot of it was restored."""
        self._written[partition] = Written(contents, parts)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Write the snapshots that are due now."""
        for partition in list(self._owned):
            owned = self._owned.get(partition)  # lost, perhaps, while another one was written
            if owned and owned.caught_up and self._due(partition):
                await self._try(partition, owned)

    def left(self, partition: int) -> int:
        """Records until the next snapshot of the partition is due by their number."""
        written = self._written.setdefault(partition, Written())
        return max(self._records, written.size // BYTES_OF_A_RECORD) - self._owned[partition].unsaved

    def _due(self, partition: int) -> bool:
        written = self._written.setdefault(partition, Written())
        if written.contents is None or self.left(partition) <= 0:
            return True
        return self._owned[partition].unsaved > 0 and time.monotonic() - written.at >= self._seconds

    async def _try(self, partition: int, owned: Owned) -> None:
        written = self._written[partition]
        try:
            await self._write(partition, owned, written)
        except (KafkaError, KafkaProblem, TypeError, ValueError) as error:
            log.warning("no snapshot was written; the one before it stands", partition=partition, error=repr(error))
        written.at = time.monotonic()

    async def _write(self, partition: int, owned: Owned, written: Written) -> None:
        taken = take(owned.fold, owned.tally, self._appender.log_partitions, written.contents)
        gone = frozenset({*owned.fold.ended, *(written.contents.runs if written.contents else ())})
        gone -= taken.contents.runs.keys()
        written.size = await self._documents(partition, taken, written)
        written.contents, owned.snapshot = taken.contents, taken.contents.offset
        outdated = taken.contents.outdated(written.parts, gone)
        keys = [key for name in outdated for key in keys_of(name, written.parts.pop(name))]
        for key in keys:
            await self._appender.raw(self._appender.topics.snapshots, None, key, partition)
        log.debug("snapshot written", partition=partition, offset=taken.contents.offset, bytes=written.size)

    async def _documents(self, partition: int, taken: Taken, written: Written) -> int:
        """Write all documents, the listing after all others are acknowledged; their bytes."""
        size, waiting = 0, 0
        under_way: list[asyncio.Future[RecordMetadata]] = []
        last = taken.documents[-1][0]
        for name, encode in taken.documents:
            if name == last or waiting > AT_ONCE_BYTES:
                for sent in under_way:
                    await self._appender.acknowledged(sent, WRITTEN_WITHIN_S)
                waiting, under_way = 0, []
            pieces = parts_of(encode())
            written.parts[name] = len(pieces)
            for key, piece in zip(keys_of(name, len(pieces)), pieces, strict=True):
                under_way.append(await self._appender.raw(self._appender.topics.snapshots, piece, key, partition))
                size, waiting = size + len(piece), waiting + len(piece)
            await asyncio.sleep(0)
        for sent in under_way:
            await self._appender.acknowledged(sent, WRITTEN_WITHIN_S)
        return size
