"""Snapshots as they lie on their topic: each partition of `events` has its documents on the partition of that number.

A key is `format/document#index/parts`; a large document stands in parts. Values are JSON and no records: nobody but
orchestrators of the same format reads them.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import open_reader
from elexirion.projections.snapshot import Restored, SnapshotUnusableError, restore
from elexirion.projections.snapshot_codec import format_id
from elexirion.projections.snapshot_contents import snapshots_in

log = structlog.get_logger(__name__)

PART_BYTES = 400_000


def keys_of(name: str, parts: int) -> list[str]:
    """The keys of a document's parts."""
    return [f"{format_id()}/{name}#{index}/{parts}" for index in range(parts)]


def parts_of(value: bytes) -> list[bytes]:
    """A document in pieces that each fit a record."""
    return [value[start : start + PART_BYTES] for start in range(0, len(value), PART_BYTES)] or [b""]


@dataclass(slots=True)
class Found:
    """What lies on one partition; `others` counts keys of another format."""

    values: dict[str, bytes] = field(default_factory=dict)
    others: int = 0

    def take(self, message: Any) -> None:
        """One message; a later one of the same key stands for the earlier, and one without a value removes it."""
        key = (message.key or b"").decode(errors="replace")
        format_, _, rest = key.partition("/")
        if format_ != format_id():
            self.others += message.value is not None
        elif message.value is None:
            self.values.pop(rest, None)
        else:
            self.values[rest] = message.value

    def parts(self) -> dict[str, int]:
        """The documents, and of how many parts each is."""
        return {name: int(place.partition("/")[2]) for name, _, place in (key.rpartition("#") for key in self.values)}

    def documents(self) -> dict[str, bytes]:
        """The documents of which no part is missing."""
        whole: dict[str, bytes] = {}
        for name, parts in self.parts().items():
            pieces = [self.values.get(f"{name}#{index}/{parts}") for index in range(parts)]
            if None not in pieces:
                whole[name] = b"".join(piece for piece in pieces if piece is not None)
        return whole

    def usable(self) -> list[Restored]:
        """All snapshots that can be read; of others documents are missing, since they are being written or removed."""
        documents, found = self.documents(), []
        for name in snapshots_in(documents):
            with suppress(SnapshotUnusableError):
                found.append(restore(name, documents))
        return found

    def newest(self, partition: int) -> Restored | None:
        """The newest snapshot that can be read; None where the log has to be read from its beginning."""
        documents = self.documents()
        for name in snapshots_in(documents):
            try:
                return restore(name, documents)
            except SnapshotUnusableError as reason:
                log.warning("a snapshot is not usable", partition=partition, reason=str(reason))
        if self.others:
            log.info("snapshots of another format are passed over; the log is read from its beginning",
                     partition=partition, documents=self.others)  # fmt: skip
        return None


async def read_snapshots(address: KafkaAddress, topic: str, partitions: Iterable[int]) -> dict[int, Found]:
    """All that lies on these partitions now. Raises KafkaError or KafkaProblem."""
    found = {partition: Found() for partition in partitions}
    consumer = await open_reader(address, topic, found)
    try:
        assigned = [TopicPartition(topic, partition) for partition in found]
        starts, ends = await consumer.beginning_offsets(assigned), await consumer.end_offsets(assigned)
        left = {tp for tp in assigned if starts[tp] < ends[tp]}
        for tp in assigned:
            consumer.seek(tp, starts[tp])
        while left:
            for tp, messages in (await consumer.getmany(*left, timeout_ms=1000)).items():
                for message in messages:
                    found[tp.partition].take(message)
            left = {tp for tp in left if await consumer.position(tp) < ends[tp]}
    finally:
        await consumer.stop()
    return found
