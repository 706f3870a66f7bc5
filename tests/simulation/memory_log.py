"""A Kafka in memory: topics, groups, and a state of its own for whatever its clients do.

It keeps the promises that Kafka keeps (an order in each partition, each writer's order kept, committed positions)
and no other; `Conditions` say how badly it may behave within them.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import RecordMetadata
from elexirion.events.envelope import utc_now

from tests.simulation.conditions import Calm, Conditions, Landing

if TYPE_CHECKING:
    from tests.simulation.memory_clients import MemoryConsumer


class Message(NamedTuple):
    """A consumed message, as aiokafka gives it out; `timestamp` in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Log:
    """One partition; `begin` is the first offset that is still there."""

    messages: list[Message] = field(default_factory=list)
    begin: int = 0

    @property
    def end(self) -> int:
        """The offset of the next record."""
        return len(self.messages)


class Append(NamedTuple):
    """What a writer asks for."""

    at: TopicPartition
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class MemoryBroker:
    """The broker. What it does it does outside of all processes: `world` is the context of its callbacks.

    `cut` counts appends that died with their writer, `refused` are those whose writer got an error instead.
    """

    def __init__(
        self, conditions: Conditions | None = None, now: Callable[[], datetime] = utc_now, world: Context | None = None
    ) -> None:
        self.conditions: Conditions = conditions or Calm()
        self.groups: dict[str, Group] = {}
        self.duplicated = 0
        self.cut = 0
        self.refused: list[Append] = []
        self._held_back: list[Callable[[], object]] = []
        self._topics: dict[str, list[Log]] = {}
        self._waiting: dict[str, list[MemoryConsumer]] = {}
        self._now = now
        self._world = world or copy_context()

    # -- topics

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic, or widen it."""
        logs = self._topics.setdefault(topic, [])
        grown = len(logs) < partitions
        logs += [Log() for _ in range(partitions - len(logs))]
        for group in self.groups.values():
            if grown and group.reads(topic):
                group.rebalance()

    def names(self) -> list[str]:
        """All topics."""
        return list(self._topics)

    def count(self, topic: str) -> int:
        """Partitions of the topic; 0 where there is none."""
        return len(self._topics.get(topic, ()))

    def log(self, at: TopicPartition) -> Log:
        """One partition; raises LookupError."""
        return self._topics[at.topic][at.partition]

    def truncate(self, at: TopicPartition, before: int) -> None:
        """Forget all records before this offset."""
        self.log(at).begin = before

    # -- appending

    def take(
        self, append: Append, promised: "asyncio.Future[RecordMetadata]", landing: Landing, still: "Still"
    ) -> None:
        """An append is on its way; `still` says whether it comes to anything when it arrives."""
        self.later(landing.after_s, self._arrive, append, promised, landing, still)

    def _arrive(
        self, append: Append, promised: "asyncio.Future[RecordMetadata]", landing: Landing, still: "Still"
    ) -> None:
        if not still():
            self.cut += 1
            return
        if landing.written:
            message = self.write(append)
            if landing.again_s is not None:
                self.later(landing.again_s, self._write_again, append)
            if landing.answered:
                place = RecordMetadata(
                    append.at.topic, append.at.partition, append.at, message.offset, message.timestamp, 0, 0
                )
                self.later(landing.acknowledged_after_s, _answer, promised, place)
                return
        else:
            self.refused.append(append)
        self.later(landing.acknowledged_after_s, _fail, promised)

    def write(self, append: Append) -> Message:
        """The record stands in the log."""
        log = self.log(append.at)
        at_ms = int(self._now().timestamp() * 1000)
        message = Message(
            append.at.topic, append.at.partition, log.end, at_ms, append.key, append.value, append.headers
        )
        log.messages.append(message)
        for consumer in self._waiting.get(append.at.topic, ()):
            if consumer.waits_for(append.at):
                self.later(self.conditions.heard_after_s(append.at.topic), consumer.news)
        return message

    def _write_again(self, append: Append) -> None:
        self.duplicated += 1
        self.write(append)

    # -- reading

    def follow(self, topic: str, consumer: "MemoryConsumer") -> None:
        """Tell the consumer of each record of the topic."""
        followers = self._waiting.setdefault(topic, [])
        if consumer not in followers:
            followers.append(consumer)

    def unfollow(self, consumer: "MemoryConsumer") -> None:
        """The consumer is closed."""
        for followers in self._waiting.values():
            if consumer in followers:
                followers.remove(consumer)

    def group(self, name: str) -> "Group":
        """The group of this name."""
        return self.groups.setdefault(name, Group(self))

    def later(self, after_s: float, what: Callable[..., object], *args: object) -> None:
        """Do something after a time, in no process, and only once the broker answers; then in order of time."""
        asyncio.get_running_loop().call_later(after_s, self._act, partial(what, *args), context=self._world)

    def _act(self, what: Callable[[], object]) -> None:
        if self._held_back or self.conditions.silent_for_s() > 0:
            if not self._held_back:
                self._go_on_later()
            self._held_back.append(what)
        else:
            what()

    def _go_on_later(self) -> None:
        silent_s = self.conditions.silent_for_s()
        asyncio.get_running_loop().call_later(silent_s + 0.001, self._go_on, context=self._world)

    def _go_on(self) -> None:
        if self.conditions.silent_for_s() > 0:
            self._go_on_later()
            return
        held_back, self._held_back = self._held_back, []
        for what in held_back:
            what()


Still = Callable[[], bool]


def _answer(promised: "asyncio.Future[RecordMetadata]", place: RecordMetadata) -> None:
    if not promised.done():
        promised.set_result(place)


def _fail(promised: "asyncio.Future[RecordMetadata]") -> None:
    if not promised.done():
        promised.set_exception(KafkaTimeoutError("no answer from the broker"))


class Group:
    """A consumer group: who reads which partition, and what was committed."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.committed: dict[TopicPartition, int] = {}
        self.members: list[MemoryConsumer] = []
        self.owners: dict[TopicPartition, MemoryConsumer] = {}
        self.moves = 0
        self.generation = 0
        self._broker = broker

    def reads(self, topic: str) -> bool:
        """Whether a member subscribed to the topic."""
        return any(topic in member.subscribed for member in self.members)

    def join(self, member: "MemoryConsumer") -> None:
        """A member more."""
        if member not in self.members:
            self.members.append(member)
        self.rebalance()

    def leave(self, member: "MemoryConsumer") -> None:
        """A member left, or was not heard of for too long."""
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def rebalance(self, shift: int = 0) -> None:
        """Share the partitions anew, each member's as those before it leave them; `shift` turns who gets which."""
        self.generation += 1
        before, self.owners = self.owners, self._shared(shift)
        self.moves += sum(before.get(at) not in (None, owner) for at, owner in self.owners.items())
        for member in self.members:
            mine = {at for at, owner in self.owners.items() if owner is member}
            had = {at for at, owner in before.items() if owner is member}
            after_s = self._broker.conditions.told_after_s(gained=had <= mine)
            self._broker.later(after_s, member.assigned, mine, self.generation)

    def _shared(self, shift: int) -> "dict[TopicPartition, MemoryConsumer]":
        shared: dict[TopicPartition, MemoryConsumer] = {}
        for topic in sorted({topic for member in self.members for topic in member.subscribed}):
            readers = [member for member in self.members if topic in member.subscribed]
            for partition in range(self._broker.count(topic)):
                shared[TopicPartition(topic, partition)] = readers[(partition + shift) % len(readers)]
        return shared
