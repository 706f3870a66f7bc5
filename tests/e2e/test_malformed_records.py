"""2,000 malformed records on the topics of a running cluster: what is no record is set aside, and work goes on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import partition_count, scan
from elexirion.agents.orchestrator.command_record import read_command
from elexirion.agents.settings import Settings
from elexirion.client import Client
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.partitioner import partition_of
from elexirion.events.step import CancelStep, ExecuteStep

from tests.agents.malformed import malformed
from tests.e2e.cluster import NO_LANE, Cluster

RECORDS = 2_000
LIMIT: int = Settings.model_fields["record_limit_bytes"].default


async def test_two_thousand_malformed_records_stop_nothing(cluster: Cluster) -> None:
    worker = cluster.start("only", ELEXIRION_HEARTBEAT_INTERVAL_S="0.5")
    async with _client(cluster) as client:
        await _completes(client)
        written = await _write_malformed(cluster)
        await _write_what_cannot_be_decided(cluster)
        await _completes(client)
        for topic, group in _groups(cluster).items():
            await _read_to_its_end(cluster, topic, group)
        expected = _to_be_buried(cluster, written)
        buried = await _buried(cluster, expected)
    assert worker.alive, worker.last_lines()
    raised = [json.loads(line)["event"] for line in worker.log.read_bytes().splitlines() if b"Traceback" in line]
    assert set(raised) <= {"a command could not be decided"}, "such are rejected"
    for topic, places in expected.items():
        assert places <= buried[topic], f"{topic}: {len(places - buried[topic])} of {len(places)} are in no dead letter"
    print({topic: len(places) for topic, places in expected.items()}, Counter(topic for topic, _, _ in written))


def _client(cluster: Cluster) -> Client:
    return Client(cluster.bootstrap, settings=Settings(topic_prefix=cluster.topics.prefix, _env_file=None))


async def _completes(client: Client) -> None:
    """A good command completes."""
    pipeline = "name: good\nsteps:\n  - {name: say, type: test_echo, value: good, chunks: 2}\n"
    run = await client.start(pipeline)
    result = await run.result(timeout=60)
    assert (result.status, result.result) == ("completed", "good")


async def _write_malformed(cluster: Cluster) -> list[tuple[str, Any, bytes | None]]:
    """Topic, place and value of each."""
    topics, random = cluster.topics, Random(7)
    wanted = (topics.commands, topics.events, topics.steps("local"), topics.chunks, topics.workers, topics.providers)
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, max_request_size=2 * 1024 * 1024)
    await producer.start()
    try:
        values = [(random.choice(wanted), malformed(random)) for _ in range(RECORDS)]
        # Compacted topics take no record without a key.
        sent = [await producer.send(topic, value, key=f"k{random.randrange(99)}".encode()) for topic, value in values]
        places = await asyncio.gather(*sent)
        return [(topic, place, value) for (topic, value), place in zip(values, places, strict=True)]
    finally:
        await producer.stop()


async def _write_what_cannot_be_decided(cluster: Cluster) -> None:
    """A command that can be read and no event can hold, once where its run belongs and once elsewhere."""
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    received = orjson.dumps(_received("too-deep")).replace(b'"HERE"', deep)
    home = partition_of("too-deep", await partition_count(KafkaAddress(cluster.bootstrap), cluster.topics.events))
    async with cluster.publisher() as publisher:
        for partition in (home, (home + 1) % 8):
            await publisher.producer.send_and_wait(cluster.topics.events, received, b"too-deep", partition)


def _received(run_id: str) -> dict[str, Any]:
    command = {"pipeline": NO_LANE, "inputs": {"deep": "HERE"}}
    data = {"command_id": "deep", "content_hash": "x", "command_type": "StartRun", "command": command,
            "topic": "commands", "partition": 0, "offset": 0}  # fmt: skip
    return {"type": "CommandReceived", "id": "deep", "run_id": run_id, "at": "2026-01-01T00:00:00Z", "data": data}


def _groups(cluster: Cluster) -> dict[str, str]:
    topics = cluster.topics
    return {topics.commands: topics.commands_group, topics.steps("local"): topics.steps("local")}


async def _read_to_its_end(cluster: Cluster, topic: str, group: str) -> None:
    """Wait until the group has committed all of the topic."""
    consumer = KafkaAddress(cluster.bootstrap).consumer()
    reading = KafkaAddress(cluster.bootstrap).consumer(group=group)
    await consumer.start()
    await reading.start()
    try:
        tps = [TopicPartition(topic, n) for n in range(await partition_count(KafkaAddress(cluster.bootstrap), topic))]
        ends = {tp: end for tp, end in (await consumer.end_offsets(tps)).items() if end}
        async with asyncio.timeout(60):
            for tp, end in ends.items():
                while (await reading.committed(tp) or 0) < end:  # noqa: ASYNC110  # it is the broker that knows
                    await asyncio.sleep(0.1)
    finally:
        await reading.stop()
        await consumer.stop()


def _to_be_buried(cluster: Cluster, written: list[tuple[str, Any, bytes | None]]) -> dict[str, set[tuple[int, int]]]:
    """The places of what is no command, no record, or nothing for a worker."""
    topics = cluster.topics
    readers: dict[str, Callable[[Any, bytes | None], object]] = {
        topics.commands: lambda place, value: read_command(_message(place, value), LIMIT),
        topics.events: lambda place, value: decode(value),
        topics.steps("local"): lambda place, value: _for_a_worker(value),
    }
    found: dict[str, set[tuple[int, int]]] = {topic: set() for topic in readers}
    for topic, place, value in written:
        if topic in readers:
            try:
                readers[topic](place, value)
            except UndecodableError:
                found[topic].add((place.partition, place.offset))
    assert all(len(places) > 100 for places in found.values())
    return found


def _message(place: Any, value: bytes | None) -> Any:
    said = {"topic": place.topic, "partition": place.partition, "offset": place.offset, "timestamp": place.timestamp}
    return type("Message", (), {**said, "value": value, "headers": ()})


def _for_a_worker(value: bytes | None) -> None:
    record = decode(value)
    if not isinstance(record.data, ExecuteStep | CancelStep):
        raise UndecodableError(record.type)


async def _buried(cluster: Cluster, expected: dict[str, set[tuple[int, int]]]) -> dict[str, set[tuple[int, int]]]:
    """The places that the dead letters tell of, once there are as many as are expected."""
    address = KafkaAddress(cluster.bootstrap)
    async with asyncio.timeout(60):
        while True:
            found: dict[str, set[tuple[int, int]]] = {topic: set() for topic in expected}
            async for message in scan(address, cluster.topics.dead_letters, [0]):
                letter = json.loads(message.value)
                found.setdefault(letter["topic"], set()).add((letter["partition"], letter["offset"]))
            if all(places <= found[topic] for topic, places in expected.items()):
                return found
            await asyncio.sleep(0.2)
