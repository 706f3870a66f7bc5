"""Reading `events`: which partitions this orchestrator owns, and their folds.

The group's assignment is a hint about who decides; correctness comes from the fold alone. Positions are our own:
a partition is read from where its fold stands, never from a committed offset.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import BrokerUnreachableError, KafkaProblem, TopicsMismatchError
from elexirion.agents.kafka.group_member import group_times
from elexirion.agents.orchestrator.reading_on import ReadingOn
from elexirion.agents.orchestrator.snapshot_topic import Found, read_snapshots
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.topics import Topics
from elexirion.projections.partition import PartitionFold
from elexirion.projections.snapshot_contents import Contents
from elexirion.projections.tally import Tally

log = structlog.get_logger(__name__)

SHORT_FOR_S = 5.0
"""A log that ends before our position was truncated, unless it does so for a moment only.

A broker that was killed and started again tells of the end that it noted last, up to 5 s before its death, until it
leads the partition again (`high.watermark.checkpoint.interval.ms`), and a static member is back that soon.
"""


@dataclass(slots=True)
class Owned:
    """A partition this orchestrator decides for; `target` is the end of the log when it was gained.

    `begins_after` are offset and id of the record behind which a restored fold stands, until that is read again;
    `begun` is the offset from which on the log was read, `snapshot` the end of the newest snapshot that is known,
    `short_since` the time since when the broker tells of an end before our position.
    """

    fold: PartitionFold
    target: int | None = None
    caught_up: bool = False
    tally: Tally = field(default_factory=Tally)
    begins_after: tuple[int, str] | None = None
    begun: int = 0
    snapshot: int = 0
    short_since: float | None = None

    @property
    def unsaved(self) -> int:
        """Records that no snapshot holds: whoever takes over now reads so many."""
        return self.fold.next_offset - self.snapshot


@dataclass(slots=True)
class Change:
    """Partitions gained and lost since the last look."""

    gained: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)


class Partitions(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """A group consumer over `events` with manual positions."""

    def __init__(
        self,
        address: KafkaAddress,
        topics: Topics,
        session_timeout_s: float,
        count: int,
        found: Callable[[int, dict[str, int], Contents | None], None],
    ) -> None:
        self.owned: dict[int, Owned] = {}
        self._known: dict[int, tuple[PartitionFold, Tally]] = {}
        self._count = count
        self._found = found
        self._snapshots = topics.snapshots
        self._topic = topics.events
        self._address = address
        self._change = Change()
        self._consumer: AIOKafkaConsumer = address.consumer(
            group=topics.orchestrators_group, rebalance_timeout_ms=10_000, **group_times(session_timeout_s),
        )  # fmt: skip
        self._reading = ReadingOn(self._consumer)

    async def start(self) -> None:
        """Join the group."""
        self._consumer.subscribe([self._topic], listener=self)
        await connect(self._consumer, self._address.bootstrap)

    async def stop(self) -> None:
        """Leave the group; others take over at once."""
        await self._consumer.stop()

    @asynccontextmanager
    async def given_up_at_once(self) -> AsyncIterator[None]:
        """Whoever fails in here leaves the group first: its process may take a drain to end, and others can decide."""
        try:
            yield
        except Exception:
            await self.stop()
            raise

    # aiokafka awaits the listener where it is a coroutine, as its documentation says and its signature does not.
    async def on_partitions_revoked(self, revoked: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """No more decisions for these; their folds stay and are read on if they come back."""
        self._reading.forget()
        for tp in revoked:
            if self.owned.pop(tp.partition, None):
                self._change.lost.add(tp.partition)

    async def on_partitions_assigned(self, assigned: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read each from where its fold stands; decide once its present end is reached."""
        self._reading.forget()
        for tp in assigned:
            fold, tally = self._known.setdefault(tp.partition, (PartitionFold(tp.partition), Tally()))
            self._consumer.seek(tp, fold.next_offset)
            self._consumer.pause(tp)  # until it is known whether a snapshot is further
            self.owned[tp.partition] = Owned(fold, tally=tally)
            self._change.gained.add(tp.partition)

    def changes(self) -> Change:
        """What changed since the last call."""
        change, self._change = self._change, Change()
        return change

    async def read(self, timeout_ms: int) -> dict[int, list[Any]]:
        """New messages by partition; raises KafkaProblem where the log is not the one that was folded.

        Until the next call nothing more is asked for, unless a partition has its end before it yet.
        """
        self._check_count()
        folded = {p: owned.fold.next_offset for p, owned in self.owned.items() if owned.caught_up}
        self._reading.go_on({TopicPartition(self._topic, p): offset for p, offset in folded.items()})
        await self._begin()
        try:
            batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=2000)
        except OffsetOutOfRangeError as error:
            raise KafkaProblem(
                f"the log was truncated below our position: {error.args}.",
                "Records of runs are gone; restore the topic, or start with an empty one under another prefix.",
            ) from error
        read = {tp.partition: messages for tp, messages in batches.items() if tp.partition in self.owned}
        for partition, messages in read.items():
            self._check_place(partition, self.owned[partition], messages)
        self._reading.took(batches)
        if read and all(owned.caught_up for owned in self.owned.values()):
            self._reading.rest(TopicPartition(self._topic, partition) for partition in self.owned)
        return read

    def caught_up_now(self) -> list[int]:
        """Partitions whose folds have just reached the end as it was when they were gained."""
        reached = [
            partition
            for partition, owned in self.owned.items()
            if not owned.caught_up
            and owned.target is not None
            and owned.fold.next_offset >= owned.target
            and owned.begins_after is None
        ]
        for partition in reached:
            self.owned[partition].caught_up = True
        return reached

    # -- where a partition that was gained is read from

    async def _begin(self) -> None:
        new = {partition: owned for partition, owned in self.owned.items() if owned.target is None}
        if not new:
            return
        tps = [TopicPartition(self._topic, partition) for partition in new]
        starts, ends = await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
        try:
            found = await read_snapshots(self._address, self._snapshots, new)
        except BrokerUnreachableError as error:
            raise KafkaConnectionError(str(error)) from error
        for tp in tps:
            owned = new[tp.partition]
            if self.owned.get(tp.partition) is owned:  # it may be gone by now
                self._restore(tp.partition, owned, found[tp.partition])
                if not _may_be_whole_soon(owned, ends[tp]):
                    self._place(tp, owned, starts[tp], ends[tp])

    def _restore(self, partition: int, owned: Owned, found: Found) -> None:
        """Take the fold of the newest snapshot where it is further than ours."""
        restored = found.newest(partition)
        self._found(partition, found.parts(), restored.contents if restored else None)
        if restored is None:
            return
        if restored.log_partitions != self._count:
            raise self._moved(f"had {restored.log_partitions} at its snapshot")
        owned.snapshot = restored.contents.offset
        if restored.fold.next_offset > owned.fold.next_offset:
            owned.fold, owned.tally = self._known[partition] = (restored.fold, restored.tally)
            if restored.fold.last_offset >= 0:
                owned.begins_after = (restored.fold.last_offset, restored.fold.last_id)
            log.info("snapshot restored", partition=partition, offset=restored.fold.next_offset,
                     open_runs=len(restored.fold.runs))  # fmt: skip

    def _check_count(self) -> None:
        """Somebody may give the topic more partitions while it is read."""
        known = self._consumer.partitions_for_topic(self._topic)
        if known and len(known) > self._count:
            raise self._moved(f"now has {len(known)}")

    def _moved(self, otherwise: str) -> TopicsMismatchError:
        return TopicsMismatchError(
            f"{self._topic} is read as {self._count} partitions, and {otherwise}.",
            "Runs would be looked for on other partitions. Restore the topic, or choose another prefix.",
        )

    def _place(self, tp: TopicPartition, owned: Owned, start: int, end: int) -> None:
        position = owned.fold.next_offset
        first = owned.begins_after[0] if owned.begins_after else position
        if not start <= first <= position <= end:
            raise KafkaProblem(
                f"{tp.topic}/{tp.partition} holds offsets {start} to {end}, and was read up to {position} before.",
                "Records of runs are gone; restore the topic, or start with an empty one under another prefix.",
            )
        self._consumer.seek(tp, first)
        self._reading.placed(tp, first)
        self._consumer.resume(tp)
        owned.target, owned.begun = end, position

    def _check_place(self, partition: int, owned: Owned, messages: list[Any]) -> None:
        """The record before a snapshot's offset is the one that it was taken after, or this is another log."""
        if owned.begins_after is None or not messages:
            return
        offset, record_id = owned.begins_after
        try:
            same = messages[0].offset == offset and decode(messages[0].value).id == record_id
        except UndecodableError:
            same = False
        if not same:
            raise KafkaProblem(
                f"offset {offset} of {self._topic}/{partition} is not the record that a snapshot was taken after.",
                "The topic was made anew. Remove the snapshots topic too, or choose another prefix.",
            )
        owned.begins_after = None


def _may_be_whole_soon(owned: Owned, end: int) -> bool:
    """Whether the log is shorter than we know it, and not yet for long: then its end is asked for again."""
    if end >= owned.fold.next_offset:
        return False
    now = time.monotonic()
    if owned.short_since is None:
        owned.short_since = now
    return now - owned.short_since < SHORT_FOR_S


def deciding(owned: Mapping[int, Owned], partition: int) -> Owned | None:
    """The partition, where we own it and have read it to its end."""
    known = owned.get(partition)
    return known if known and known.caught_up else None
