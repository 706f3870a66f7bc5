"""The in-memory log and a real Kafka do the same, as far as the product asks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import PartitionReader, scan

from tests.simulation.memory_clients import address
from tests.simulation.memory_log import MemoryBroker

WITHIN_S = 30.0
GROUP = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 300, "auto_offset_reset": "earliest"}


@dataclass
class Place:
    """A topic of two partitions, and all clients that a test opened."""

    address: KafkaAddress
    topic: str
    opened: list[Any] = field(default_factory=list)

    def at(self, partition: int = 0) -> TopicPartition:
        return TopicPartition(self.topic, partition)

    async def open(self, client: Any) -> Any:
        self.opened.append(client)
        await client.start()
        return client

    async def written(self, *values: bytes, partition: int = 0, key: bytes | None = None) -> list[Any]:
        producer = await self.open(self.address.producer())
        sent = [await producer.send(self.topic, value, key=key, partition=partition) for value in values]
        return [await future for future in sent]

    async def reader(self, partition: int = 0) -> Any:
        consumer = await self.open(self.address.consumer())
        consumer.assign([self.at(partition)])
        return consumer

    async def member(self, listener: ConsumerRebalanceListener | None = None) -> Any:
        consumer = self.address.consumer(group=f"{self.topic}.group", **GROUP)
        consumer.subscribe([self.topic], listener=listener)
        return await self.open(consumer)


@pytest_asyncio.fixture(params=["memory", "kafka"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    topic = f"contract.{uuid4().hex[:8]}"
    if request.param == "memory":
        made = Place(address(MemoryBroker()), topic)
    else:
        made = Place(KafkaAddress(request.getfixturevalue("kafka")), topic)
    admin = made.address.admin()
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await until(lambda: _known(admin, topic))
    yield made
    for client in reversed(made.opened):
        await client.stop()
    await admin.close()


async def _known(admin: Any, topic: str) -> bool:
    return topic in await admin.list_topics()


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110  # a broker sets no event
            await asyncio.sleep(0.05)


async def next_of(consumer: Any, count: int) -> list[Any]:
    """So many messages, in the order in which they came."""
    found: list[Any] = []
    async with asyncio.timeout(WITHIN_S):
        while len(found) < count:
            for messages in (await consumer.getmany(timeout_ms=200, max_records=count - len(found))).values():
                found += messages
    return found


async def test_a_partition_keeps_the_order_in_which_one_writer_wrote(place: Place) -> None:
    places = await place.written(b"a", b"b", b"c", partition=1)
    assert [(known.partition, known.offset) for known in places] == [(1, 0), (1, 1), (1, 2)]
    reader = await place.reader(1)
    reader.seek(place.at(1), 0)
    assert [message.value for message in await next_of(reader, 3)] == [b"a", b"b", b"c"]


async def test_a_message_has_its_key_its_place_and_the_time_of_its_broker(place: Place) -> None:
    producer = await place.open(place.address.producer())
    sent = await producer.send(place.topic, b"v", key=b"k", partition=0, headers=[("h", b"1")])
    place_of_it = await sent
    await (await producer.send(place.topic, None, key=b"k", partition=0))
    reader = await place.reader()
    reader.seek(place.at(), 0)
    first, tombstone = await next_of(reader, 2)
    assert (first.topic, first.partition, first.offset, first.key) == (place.topic, 0, 0, b"k")
    assert (first.value, tombstone.value, list(first.headers)) == (b"v", None, [("h", b"1")])
    assert first.timestamp == place_of_it.timestamp


async def test_a_reader_begins_where_it_is_set_and_goes_on_from_there(place: Place) -> None:
    await place.written(b"a", b"b", b"c")
    reader = await place.reader()
    reader.seek(place.at(), 1)
    assert [message.offset for message in await next_of(reader, 1)] == [1]
    assert await reader.position(place.at()) == 2
    reader.seek(place.at(), 0)
    assert [message.offset for message in await next_of(reader, 3)] == [0, 1, 2]


async def test_the_ends_of_a_partition_are_its_first_and_its_next_offset(place: Place) -> None:
    await place.written(b"a", b"b")
    reader = await place.reader()
    assert await reader.beginning_offsets([place.at(), place.at(1)]) == {place.at(): 0, place.at(1): 0}
    assert await reader.end_offsets([place.at(), place.at(1)]) == {place.at(): 2, place.at(1): 0}


async def test_a_place_is_found_by_its_time(place: Place) -> None:
    await place.written(b"a")
    reader = await place.reader()
    found = (await reader.offsets_for_times({place.at(): 0}))[place.at()]
    assert found is not None
    assert found.offset == 0
    assert (await reader.offsets_for_times({place.at(): found.timestamp + 86_400_000}))[place.at()] is None


async def test_where_there_is_nothing_new_a_reader_gets_nothing(place: Place) -> None:
    reader = await place.reader()
    reader.seek(place.at(), 0)
    assert await reader.getmany(timeout_ms=50) == {}


async def test_a_reader_that_waits_hears_of_what_is_written_meanwhile(place: Place) -> None:
    reader = await place.reader()
    reader.seek(place.at(), 0)
    waiting = asyncio.create_task(next_of(reader, 1))
    await place.written(b"late")
    assert [message.value for message in await waiting] == [b"late"]


async def test_of_a_partition_that_is_paused_nothing_is_read(place: Place) -> None:
    await place.written(b"a")
    reader = await place.reader()
    reader.seek(place.at(), 0)
    reader.pause(place.at())
    assert await reader.getmany(timeout_ms=200) == {}
    reader.resume(place.at())
    assert len(await next_of(reader, 1)) == 1


async def test_a_position_that_is_not_in_the_log_is_an_error(place: Place) -> None:
    await place.written(b"a")
    reader = await place.reader()
    reader.seek(place.at(), 5)
    with pytest.raises(OffsetOutOfRangeError):
        await next_of(reader, 1)


async def test_a_partition_that_is_not_assigned_cannot_be_set(place: Place) -> None:
    reader = await place.reader()
    with pytest.raises(IllegalStateError):
        reader.seek(place.at(1), 0)


async def test_a_partition_that_does_not_exist_takes_nothing(place: Place) -> None:
    producer = await place.open(place.address.producer())
    with pytest.raises(KafkaError):
        await producer.send(place.topic, b"v", partition=7)


async def test_a_topic_that_was_widened_takes_more(place: Place) -> None:
    admin = place.address.admin()
    await admin.start()
    await admin.create_partitions({place.topic: NewPartitions(3)})
    await until(lambda: _wide(admin, place.topic, 3))
    await admin.close()
    assert (await place.written(b"v", partition=2))[0].partition == 2


async def _wide(admin: Any, topic: str, count: int) -> bool:
    (described,) = await admin.describe_topics([topic])
    return len(described["partitions"]) == count


class Heard(ConsumerRebalanceListener):  # type: ignore[misc]
    """What a group says to a member."""

    def __init__(self) -> None:
        self.now: set[int] = set()
        self.lost: set[int] = set()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.lost |= {at.partition for at in revoked}
        self.now = set()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.now = {at.partition for at in assigned}


async def test_a_group_shares_its_partitions_and_takes_those_of_who_leaves(place: Place) -> None:
    one, other = Heard(), Heard()
    first = await place.member(one)
    await until(_holds(first, lambda: one.now == {0, 1}))
    second = await place.member(other)
    await until(_holds(first, lambda: len(one.now) == len(other.now) == 1 and one.now != other.now, second))
    assert one.lost == {0, 1}
    await second.stop()
    place.opened.remove(second)
    await until(_holds(first, lambda: one.now == {0, 1}))
    assert first.assignment() == {place.at(0), place.at(1)}


def _holds(member: Any, what: Callable[[], bool], *others: Any) -> Callable[[], Any]:
    async def look() -> bool:
        for one in (member, *others):
            await one.getmany(timeout_ms=20)
        return what()

    return look


async def test_a_member_goes_on_where_its_group_committed(place: Place) -> None:
    await place.written(b"a", b"b", b"c")
    first = await place.member()
    assert [message.value for message in await next_of(first, 2)] == [b"a", b"b"]
    await first.commit({place.at(): 1})
    assert await first.committed(place.at()) == 1
    await first.stop()
    place.opened.remove(first)
    second = await place.member()
    assert [message.value for message in await next_of(second, 2)] == [b"b", b"c"]


async def test_our_own_readings_end_at_the_end_of_the_log(place: Place) -> None:
    await place.written(b"a", b"b")
    await place.written(b"c", partition=1)
    read = [message.value async for message in scan(place.address, place.topic, [0, 1])]
    assert sorted(read) == [b"a", b"b", b"c"]
    reader, found = PartitionReader(place.address, place.topic), []
    await reader.read(0, 1, lambda message: found.append(message.value))
    await reader.stop()
    assert found == [b"b"]
