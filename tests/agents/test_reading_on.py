"""The log is read on once our own decisions are in it, and these are passed over."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.orchestrator.reading_on import ReadingOn, settled
from elexirion.agents.orchestrator.unread import Unread


class Log:
    """A topic of two partitions on a real broker: one reads both, another writes."""

    def __init__(self, address: KafkaAddress) -> None:
        self.topic = f"reading-on.{uuid4().hex[:8]}"
        self.at = [TopicPartition(self.topic, partition) for partition in range(2)]
        self.address, self.consumer, self.producer = address, address.consumer(), address.producer()
        self.reading = ReadingOn(self.consumer)

    async def start(self) -> None:
        admin = self.address.admin()
        await admin.start()
        await admin.create_topics([NewTopic(self.topic, 2, 1)])
        await admin.close()
        await self.producer.start()
        await self.consumer.start()
        self.consumer.assign(self.at)
        for tp in self.at:
            self.consumer.seek(tp, 0)
            self.reading.placed(tp, 0)

    async def stop(self) -> None:
        await self.consumer.stop()
        await self.producer.stop()

    async def write(self, value: bytes, partition: int = 0) -> int:
        sent = await self.producer.send(self.topic, value, partition=partition)
        return int((await sent).offset)

    async def read(self) -> list[bytes]:
        batches: dict[Any, list[Any]] = await self.consumer.getmany(timeout_ms=10_000)
        self.reading.took(batches)
        self.reading.rest(self.at)
        return [message.value for messages in batches.values() for message in messages]


@pytest_asyncio.fixture
async def log(kafka: str) -> AsyncIterator[Log]:
    made = Log(KafkaAddress(kafka))
    await made.start()
    yield made
    await made.stop()


async def test_what_was_written_and_folded_meanwhile_is_not_read_again(log: Log) -> None:
    await log.write(b"a report")
    assert await log.read() == [b"a report"]
    own = await log.write(b"our decision")
    log.reading.go_on({log.at[0]: own + 1})
    await log.write(b"the next report")
    assert await log.read() == [b"the next report"]


async def test_what_another_wrote_in_between_is_read(log: Log) -> None:
    await log.write(b"a report")
    assert await log.read() == [b"a report"]
    await log.write(b"of another")
    await log.write(b"our decision")
    log.reading.go_on({log.at[0]: 1})
    assert await log.read() == [b"of another", b"our decision"]


async def test_a_partition_of_which_nothing_was_read_rests_and_goes_on_as_well(log: Log) -> None:
    await log.write(b"a report")
    assert await log.read() == [b"a report"]
    own = await log.write(b"our decision", partition=1)
    log.reading.go_on({log.at[0]: 1, log.at[1]: own + 1})
    await log.write(b"a report there", partition=1)
    assert await log.read() == [b"a report there"]


async def test_it_is_read_on_once_all_decisions_are_read_back() -> None:
    unread = Unread(timeout_s=60)
    unread.mark("r", {"a"})
    unread.mark("s", {"b"})
    waiting = asyncio.create_task(unread.none(within_s=60))
    await asyncio.sleep(0)
    unread.read_back("r", "a")
    await asyncio.sleep(0)
    assert not waiting.done()
    unread.read_back("s", "b")
    async with asyncio.timeout(10):
        await waiting


async def test_a_decision_that_is_not_acknowledged_holds_reading_up_for_a_moment_only() -> None:
    unread = Unread(timeout_s=60)
    unread.mark("r", {"a"})
    began = time.monotonic()
    await settled(unread)
    assert time.monotonic() - began < 30, "less than the time after which the decision is given up"
    assert unread.waiting("r")
