"""Clients of the in-memory log with the methods of aiokafka's that the product uses."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    MessageSizeTooLargeError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import OffsetAndTimestamp, RecordMetadata
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.events.partitioner import partition_of
from elexirion.events.topics import MAX_RECORD_BYTES

from tests.simulation.memory_log import Append, Group, MemoryBroker, Message

AT_ONCE = 500
"""Messages of one getmany where nobody says how many."""


@dataclass(frozen=True, slots=True)
class MemoryAddress(KafkaAddress):
    """An address whose clients meet the broker in memory; `listed` are those of one process."""

    broker: MemoryBroker = None  # type: ignore[assignment]
    listed: "Clients" = None  # type: ignore[assignment]

    def producer(self) -> Any:
        """A writer."""
        return self.listed.add(MemoryProducer(self.broker))

    def consumer(self, *topics: str, group: str | None = None, **more: Any) -> Any:
        """A reader."""
        reset = more.get("auto_offset_reset", "none")
        return self.listed.add(MemoryConsumer(self.broker, topics, self.broker.group(group) if group else None, reset))

    def admin(self) -> Any:
        """A client for topics."""
        return MemoryAdmin(self.broker)


class Clients:
    """The clients of one process: its death, as the broker sees it, is theirs."""

    def __init__(self) -> None:
        self._clients: list[Any] = []

    def add(self, client: Any) -> Any:
        """One more."""
        self._clients.append(client)
        return client

    def cut(self, within_s: float) -> None:
        """What is written but does not arrive within so many seconds never does."""
        for client in self._clients:
            if isinstance(client, MemoryProducer):
                client.cut_at = asyncio.get_running_loop().time() + within_s

    def expel(self) -> None:
        """The groups did not hear of this process for too long."""
        for client in self._clients:
            if isinstance(client, MemoryConsumer) and client.group and not client.closed:
                client.group.leave(client)

    def rejoin(self) -> None:
        """It is heard of again."""
        for client in self._clients:
            if isinstance(client, MemoryConsumer) and client.group and not client.closed and client.subscribed:
                client.group.join(client)


def address(broker: MemoryBroker) -> MemoryAddress:
    """The address for one process."""
    return MemoryAddress("memory", broker=broker, listed=Clients())


class MemoryProducer:
    """Writes in order to each partition."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.cut_at = float("inf")
        self._broker = broker
        self._last: dict[TopicPartition, float] = {}
        self._under_way: list[asyncio.Future[RecordMetadata]] = []
        self.client = SimpleNamespace(
            cluster=SimpleNamespace(partitions_for_topic=lambda topic: set(range(broker.count(topic))) or None)
        )

    async def start(self) -> None:
        """Ready at once."""

    async def stop(self) -> None:
        """Wait for what is under way."""
        if still := self._still_under_way():
            await asyncio.wait(still)

    async def send(
        self, topic: str, value: Any = None, key: Any = None, partition: int | None = None, timestamp_ms: Any = None,
        headers: Any = None,
    ) -> "asyncio.Future[RecordMetadata]":  # fmt: skip
        """Put it on its way; the future ends with the broker's answer."""
        if value is not None and len(value) > MAX_RECORD_BYTES:
            raise MessageSizeTooLargeError(f"{len(value)} bytes")
        count = self._broker.count(topic)
        if partition is None:
            partition = partition_of(key.decode(), count) if key and count else 0
        if partition >= count:
            raise UnknownTopicOrPartitionError(f"{topic} has no partition {partition}")
        promised: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        self._under_way = [*self._still_under_way(), promised]
        self._send(Append(TopicPartition(topic, partition), key, value, tuple(headers or ())), promised)
        return promised

    def _still_under_way(self) -> "list[asyncio.Future[RecordMetadata]]":
        return [promised for promised in self._under_way if not promised.done()]

    def _send(self, append: Append, promised: "asyncio.Future[RecordMetadata]") -> None:
        """A writer's own order is kept: no append overtakes the one before it."""
        now = asyncio.get_running_loop().time()
        landing = self._broker.conditions.landing(append.at.topic)
        arrives = max(now + landing.after_s, self._last.get(append.at, 0.0)) + 1e-6
        self._last[append.at] = arrives
        self._broker.take(append, promised, landing._replace(after_s=arrives - now), lambda: arrives <= self.cut_at)


class MemoryConsumer:
    """Reads, alone or in a group."""

    def __init__(self, broker: MemoryBroker, topics: Iterable[str], group: Group | None, reset: str) -> None:
        self.subscribed = tuple(topics)
        self.group = group
        self.closed = False
        self._broker = broker
        self._reset = reset
        self._listener: ConsumerRebalanceListener | None = None
        self._positions: dict[TopicPartition, int | None] = {}
        self._paused: set[TopicPartition] = set()
        self._told: asyncio.Queue[set[TopicPartition]] = asyncio.Queue()
        self._generation = 0
        self._joining: asyncio.Task[None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    # -- life

    async def start(self) -> None:
        """Join the group, if there is one."""
        for topic in self.subscribed:
            self._broker.follow(topic, self)
        if self.group:
            self._joining = asyncio.create_task(self._take_assignments())
            self.group.join(self)

    async def stop(self) -> None:
        """Leave the group."""
        self.closed = True
        self._broker.unfollow(self)
        if self._joining:
            self._joining.cancel()
        if self.group:
            self.group.leave(self)

    # -- what it reads

    def subscribe(self, topics: Iterable[str], listener: ConsumerRebalanceListener | None = None) -> None:
        """Read these in the group."""
        self.subscribed = tuple(topics)
        self._listener = listener

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these, whoever else does."""
        self._positions = dict.fromkeys(partitions)
        self._paused.clear()
        for at in self._positions:
            self._broker.follow(at.topic, self)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """As far as it is known here."""
        return set(range(self._broker.count(topic))) or None

    def assignment(self) -> set[TopicPartition]:
        """What it reads."""
        return set(self._positions)

    def assigned(self, partitions: set[TopicPartition], generation: int) -> None:
        """The group says what this member reads from now on; it hears of it when it next runs, of what is old never."""
        if generation < self._generation:
            return
        self._generation = generation
        self._told.put_nowait(partitions)

    async def _take_assignments(self) -> None:
        while True:
            partitions = await self._told.get()
            if self._listener:
                await self._listener.on_partitions_revoked(set(self._positions))  # type: ignore[func-returns-value]
            self._positions = dict.fromkeys(sorted(partitions))
            self._paused.clear()
            if self._listener:
                await self._listener.on_partitions_assigned(partitions)  # type: ignore[func-returns-value]
            self.news()

    # -- positions

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from there."""
        if partition not in self._positions:
            raise IllegalStateError(f"{partition} is not assigned")
        self._positions[partition] = offset

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Read on from the first record that is still there."""
        for at in partitions:
            self.seek(at, self._broker.log(at).begin)

    async def position(self, partition: TopicPartition) -> int:
        """The offset that is read next."""
        if partition not in self._positions:
            raise IllegalStateError(f"{partition} is not assigned")
        return self._position(partition)

    def _position(self, at: TopicPartition) -> int:
        known = self._positions[at]
        if known is None:
            known = self._positions[at] = self._first(at)
        return known

    def _first(self, at: TopicPartition) -> int:
        committed = self.group.committed.get(at) if self.group else None
        if committed is not None:
            return committed
        if self._reset == "earliest":
            return self._broker.log(at).begin
        if self._reset == "latest":
            return self._broker.log(at).end
        raise NoOffsetForPartitionError(at)

    async def committed(self, partition: TopicPartition) -> int | None:
        """What the group committed."""
        await self._ask()
        return self.group.committed.get(partition) if self.group else None

    async def commit(self, offsets: dict[TopicPartition, int] | None = None) -> None:
        """Commit for the group; refused where it gave the partition to another member meanwhile."""
        await self._ask()
        assert self.group is not None
        wanted = offsets if offsets is not None else {at: self._position(at) for at in self._positions}
        if any(self.group.owners.get(at) is not self for at in wanted):
            raise CommitFailedError("the group gave the partition to another member")
        self.group.committed.update(wanted)

    async def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """First offsets that are still there."""
        await self._ask()
        return {at: self._broker.log(at).begin for at in partitions}

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Offsets of the next records."""
        await self._ask()
        return {at: self._broker.log(at).end for at in partitions}

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """The first record of each partition that is not older, or None."""
        await self._ask()
        later = {at: (m for m in self._broker.log(at).messages if m.timestamp >= ms) for at, ms in times.items()}
        first = {at: next(found, None) for at, found in later.items()}
        return {at: OffsetAndTimestamp(m.offset, m.timestamp) if m else None for at, m in first.items()}

    async def _ask(self) -> None:
        """To the broker and back."""
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._broker.later(0.0, lambda: answered.done() or answered.set_result(None))
        await answered

    # -- messages

    def pause(self, *partitions: TopicPartition) -> None:
        """Read no more of these."""
        self._paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Read them on."""
        self._paused.difference_update(partitions)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Message]]:
        """What is there, or comes within the time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_ms / 1000
        while True:
            silent = self._broker.conditions.silent_for_s() > 0
            found = {} if silent else self._available(partitions, max_records or AT_ONCE)
            if found or loop.time() >= until:
                return found
            await self._news_until(until)

    def _available(self, only: Iterable[TopicPartition], most: int) -> dict[TopicPartition, list[Message]]:
        found: dict[TopicPartition, list[Message]] = {}
        for at in tuple(only) or tuple(self._positions):
            if at in self._paused or at not in self._positions:
                continue
            log, position = self._broker.log(at), self._position(at)
            if not log.begin <= position <= log.end:
                raise OffsetOutOfRangeError({at: position})
            messages = log.messages[position : position + most]
            if messages:
                found[at] = messages
                self._positions[at] = position + len(messages)
                most -= len(messages)
        return found

    async def _news_until(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_at(until, self.news)
        try:
            await self._waiter
        finally:
            timer.cancel()

    def waits_for(self, at: TopicPartition) -> bool:
        """Whether it waits for what comes there; else it sees it when it next looks."""
        return self._waiter is not None and not self._waiter.done() and at in self._positions

    def news(self) -> None:
        """There may be something to read."""
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class MemoryAdmin:
    """Creates and describes topics."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def start(self) -> None:
        """Ready at once."""

    async def close(self) -> None:
        """Nothing to release."""

    async def list_topics(self) -> list[str]:
        """All names."""
        return self._broker.names()

    async def describe_topics(self, topics: Iterable[str]) -> list[dict[str, Any]]:
        """Their partitions."""
        return [{"topic": name, "partitions": list(range(self._broker.count(name)))} for name in topics]

    async def create_topics(self, topics: Iterable[Any]) -> Any:
        """Create them."""
        for topic in topics:
            self._broker.create(topic.name, topic.num_partitions)
        return SimpleNamespace(topic_errors=[])

    async def create_partitions(self, partitions: dict[str, Any]) -> None:
        """Widen topics."""
        for name, wanted in partitions.items():
            self._broker.create(name, wanted.total_count)
