"""Reading topics without a group: bounded scans and positions by offset."""

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem

STALLED_AFTER_S = 15.0


def broker_time(message: Any) -> datetime:
    """The broker timestamp of a consumed message, UTC."""
    return datetime.fromtimestamp(message.timestamp / 1000, UTC)


async def open_reader(address: KafkaAddress, topic: str, partitions: Iterable[int]) -> AIOKafkaConsumer:
    """A started consumer assigned to the partitions, without a position yet."""
    consumer = address.consumer()
    await connect(consumer, address.bootstrap)
    consumer.assign([TopicPartition(topic, partition) for partition in partitions])
    return consumer


async def partition_count(address: KafkaAddress, topic: str) -> int:
    """How many partitions the topic has; raises KafkaProblem where it does not exist."""
    consumer = address.consumer()
    await connect(consumer, address.bootstrap)
    try:
        known = await consumer._client.fetch_all_metadata()
        partitions = known.partitions_for_topic(topic)
    finally:
        await consumer.stop()
    if not partitions:
        raise KafkaProblem(f"there is no topic {topic} at {address.bootstrap}.", "Create it: `elexirion topics`.")
    return len(partitions)


async def scan(address: KafkaAddress, topic: str, partitions: Iterable[int]) -> AsyncIterator[Any]:
    """Every message from the beginning to the end as it is now, partition by partition in offset order."""
    consumer = await open_reader(address, topic, partitions)
    try:
        assigned = sorted(consumer.assignment(), key=lambda tp: tp.partition)
        starts = await consumer.beginning_offsets(assigned)
        ends = await consumer.end_offsets(assigned)
        for tp in assigned:
            consumer.seek(tp, starts[tp])
        left = {tp for tp in assigned if starts[tp] < ends[tp]}
        async for message in _until(consumer, ends, left):
            yield message
    finally:
        await consumer.stop()


async def _until(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], left: set[TopicPartition]
) -> AsyncIterator[Any]:
    while left:
        batches = await consumer.getmany(*left, timeout_ms=int(STALLED_AFTER_S * 1000))
        if not batches:
            await _drop_finished(consumer, ends, left)
            if left:
                raise KafkaProblem(f"the broker sent nothing for {STALLED_AFTER_S:g} s while reading {left}")
        for tp, messages in batches.items():
            for message in messages:
                if message.offset < ends[tp]:
                    yield message
        await _drop_finished(consumer, ends, left)


async def _drop_finished(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], left: set[TopicPartition]
) -> None:
    for tp in list(left):
        if await consumer.position(tp) >= ends[tp]:
            left.discard(tp)


class PartitionReader:
    """Reads one partition of a topic at a time, over a connection that is made once and kept."""

    def __init__(self, address: KafkaAddress, topic: str) -> None:
        self._address = address
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None

    async def read(self, partition: int, start: int, take: Callable[[Any], None]) -> None:
        """Hand every message from offset `start` to the end as it is now to `take`; one reading at a time.

        Raises KafkaError or KafkaProblem; what was handed over by then stays handed over.
        """
        tp = TopicPartition(self._topic, partition)
        try:
            consumer = await self._connected()
            ends = await consumer.end_offsets([tp])
            if start < ends[tp]:
                await self._read(consumer, tp, start, ends, take)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the connection; the next reading makes another."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = self._address.consumer()
            await connect(consumer, self._address.bootstrap)
            self._consumer = consumer
        return self._consumer

    async def _read(
        self, consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, ends: dict[TopicPartition, int],
        take: Callable[[Any], None],
    ) -> None:  # fmt: skip
        consumer.assign([tp])
        consumer.seek(tp, start)
        async for message in _until(consumer, ends, {tp}):
            take(message)
        consumer.pause(tp)  # or it would go on fetching what nobody asked for
