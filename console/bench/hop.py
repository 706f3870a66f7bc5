"""The floor of the machine: a raw Kafka hop, from a producer in one process to a consumer in another.

Measured as half of a round trip to an echo process, since that is what every hop of a step is: a record that one
process writes with acks=all and another one waits for. Both ends are aiokafka, as in the product, and the topics have
the log's shape: whoever reads the log reads all of its partitions.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress, connect

WARM_UP = 50
ROUND_TRIPS = 250
PING = b'{"type":"ping"}'


@dataclass(frozen=True, slots=True)
class HopPath:
    """The topics on which pings go out and echoes come back, and how many partitions each has."""

    topic_out: str
    topic_back: str
    partitions: int


class HopMeter:
    """A connected producer and consumer, with the echo process at the other end."""

    def __init__(self, producer: Any, consumer: Any, path: HopPath) -> None:
        self._producer = producer
        self._consumer = consumer
        self._path = path

    async def median_ms(self) -> float:
        """Median of one way, in milliseconds, over ROUND_TRIPS round trips."""
        for _ in range(WARM_UP):
            await self._round_trip()
        times = [await self._round_trip() for _ in range(ROUND_TRIPS)]
        return statistics.median(times) / 2 * 1000

    async def _round_trip(self) -> float:
        began = time.perf_counter()
        await self._producer.send(self._path.topic_out, PING, partition=0)
        async with asyncio.timeout(10):
            await self._consumer.getone()
        return time.perf_counter() - began


@asynccontextmanager
async def hop_meter(address: KafkaAddress, path: HopPath) -> AsyncIterator[HopMeter]:
    """Start the echo process and connect; raises RuntimeError where it does not start."""
    echo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "elexirion.console.bench.echo", address.bootstrap, path.topic_out, path.topic_back,
        str(path.partitions), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert echo.stdout is not None
    if not (await echo.stdout.readline()).startswith(b"ready"):
        raise RuntimeError("the echo process of the hop's measurement did not start")
    producer, consumer = address.producer(), address.consumer()
    await connect(producer, address.bootstrap)
    await at_end_of(consumer, address, path.topic_back, path.partitions)
    try:
        yield HopMeter(producer, consumer, path)
    finally:
        await producer.stop()
        await consumer.stop()
        echo.terminate()
        await echo.wait()


async def at_end_of(consumer: Any, address: KafkaAddress, topic: str, partitions: int) -> None:
    """Start the consumer and put it at the end of every partition of the topic."""
    await connect(consumer, address.bootstrap)
    assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
    consumer.assign(assigned)
    for tp in assigned:
        await consumer.seek_to_end(tp)
        await consumer.position(tp)
