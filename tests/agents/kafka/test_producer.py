"""The producer keeps what it took, on a real Kafka."""

import asyncio
from typing import Any

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.producer import LastingProducer
from elexirion.agents.kafka.reading import scan

from tests.agents.health.test_kafka import topics_on

TIMEOUT_MS = 500


async def test_records_outlive_the_time_in_which_the_broker_tells_of_no_leader(kafka: str) -> None:
    """A broker that starts does so; aiokafka alone gave such a batch up, and the producer with it."""
    _, topics = await topics_on(kafka)
    producer = LastingProducer(bootstrap_servers=kafka, request_timeout_ms=TIMEOUT_MS)
    await producer.start()
    try:
        first = await producer.send_and_wait(topics.workers, b"0", key=b"w", partition=0)
        cluster: Any = producer.client.cluster
        known, cluster.leader_for_partition = cluster.leader_for_partition, lambda _: -1
        held = await producer.send(topics.workers, b"1", key=b"w", partition=0)
        await asyncio.sleep(2 * TIMEOUT_MS / 1000)  # the time itself
        assert not held.done()
        cluster.leader_for_partition = known
        assert (await asyncio.wait_for(held, 10)).offset == first.offset + 1
        last = await producer.send_and_wait(topics.workers, b"2", key=b"w", partition=0)
        assert last.offset == first.offset + 2
    finally:
        await producer.stop()


async def test_each_record_of_a_batch_is_acknowledged_with_its_own_time(kafka: str) -> None:
    """An orchestrator folds its records by their acknowledgement: at another time they would make another state."""
    _, topics = await topics_on(kafka)
    producer = LastingProducer(bootstrap_servers=kafka, linger_ms=100)
    await producer.start()
    try:
        sent = [await _after_a_moment(producer, topics.workers) for _ in range(5)]
        placed = {place.offset: place.timestamp for place in await asyncio.gather(*sent)}
    finally:
        await producer.stop()
    read = {message.offset: message.timestamp async for message in scan(KafkaAddress(kafka), topics.workers, [0])}
    assert placed == read
    assert len(set(placed.values())) == len(placed)


async def _after_a_moment(producer: LastingProducer, topic: str) -> Any:
    await asyncio.sleep(0.005)  # the time itself
    return await producer.send(topic, b"x", key=b"w", partition=0)
