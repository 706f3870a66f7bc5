"""Broker and lag on a real Kafka: each check is made to fail and to recover."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from elexirion.agents.health.circuits import circuits, read_from_outside
from elexirion.agents.health.kafka import command_lag, log_lag
from elexirion.agents.health.kafka import kafka as broker
from elexirion.agents.health.machine import Limits
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.topic_admin import ensure_topics
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.settings import Settings
from elexirion.agents.telemetry.log_ends import FRESH_S, LogEnds
from elexirion.events.codec import encode
from elexirion.events.envelope import utc_now
from elexirion.events.topics import Topics
from elexirion.projections.partition import PartitionFold
from elexirion.projections.providers import Providers

from tests.agents.provider_control.given import Paper
from tests.events.examples import AT
from tests.kafka_broker import free_port


@asynccontextmanager
async def relay(port: int, bootstrap: str) -> AsyncIterator[None]:
    """A way to the broker that can be closed; the broker itself goes on for other tests."""
    host, _, to = bootstrap.rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(to))
        await asyncio.gather(_copy(reader, back), _copy(there, writer), return_exceptions=True)

    async with await asyncio.start_server(pass_on, "127.0.0.1", port):
        yield


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def topics_on(bootstrap: str) -> tuple[KafkaAddress, Topics]:
    """Topics of this test alone."""
    address, topics = KafkaAddress(bootstrap, "health"), Topics(f"health-{uuid.uuid4().hex[:8]}.")
    await ensure_topics(address, Settings(topic_prefix=topics.prefix, events_partitions=2, _env_file=None))
    return address, topics


async def test_the_broker_is_unhealthy_while_it_cannot_be_reached_and_recovers(kafka: str) -> None:
    port = free_port()
    check = broker(KafkaAddress(f"127.0.0.1:{port}", "health"), Topics("nobody."))
    finding = await check()
    assert finding.status == "unhealthy"
    assert f"127.0.0.1:{port}" in finding.detail
    async with relay(port, kafka):
        assert (await check()).status == "healthy"
    assert (await check()).status == "unhealthy"


async def test_lag_and_dead_letters_are_what_the_topics_hold(kafka: str) -> None:
    (address, topics), now = await topics_on(kafka), [0.0]
    ends = LogEnds(address, topics, 2, lambda: now[0])
    owned = {1: Owned(PartitionFold(1), 0, caught_up=True)}
    check = log_lag(owned, ends, Limits(3, 100))
    try:
        assert (await check()).status == "healthy"
        assert (ends.up, ends.dead_letters) == (True, 0)
        async with producing(address) as producer:
            for _ in range(5):
                await producer.send_and_wait(topics.events, b"{}", partition=1)
            await producer.send_and_wait(topics.dead_letters, b"{}", partition=0)
        assert (await check()).status == "healthy", "asked a moment ago"
        now[0] += FRESH_S
        assert (await check()).status == "degraded"
        assert ends.dead_letters == 1
        owned[1].fold.next_offset = 5
        assert (await check()).status == "healthy"
    finally:
        await ends.stop()


async def test_a_circuit_that_is_open_is_seen_from_outside_and_what_cannot_be_read_is_passed_over(kafka: str) -> None:
    address, topics = await topics_on(kafka)
    check = circuits(partial(read_from_outside, address, topics))
    assert (await check()).status == "healthy"
    topic = Paper(now=(utc_now() - AT).total_seconds())
    topic.failed("a", "b", "c", "d", "e")
    topic.decided()
    async with producing(address) as producer:
        await producer.send_and_wait(topics.providers, b"no record", key=b"x", partition=0)
        for record, _ in topic.records:
            await producer.send_and_wait(topics.providers, encode(record), key=record.run_id.encode(), partition=0)
    finding = await check()
    assert finding.status == "degraded"
    assert finding.detail.startswith("claude/sonnet open until ")


async def test_where_there_are_no_topics_yet_every_circuit_is_closed(kafka: str) -> None:
    assert await read_from_outside(KafkaAddress(kafka, "health"), Topics(f"nobody-{uuid.uuid4().hex}.")) == Providers()


async def test_commands_that_nobody_takes_are_a_lag_seen_from_outside(kafka: str) -> None:
    address, topics = await topics_on(kafka)
    check = command_lag(address, topics, 2, Limits(1, 3))
    assert (await check()).status == "healthy"
    async with producing(address) as producer:
        for partition in (0, 1, 1):
            await producer.send_and_wait(topics.commands, b"{}", partition=partition)
    assert (await check()).status == "unhealthy"
    taker = address.consumer(topics.commands, group=topics.commands_group, auto_offset_reset="earliest")
    await taker.start()
    try:
        taken = 0
        while taken < 3:
            taken += sum(map(len, (await taker.getmany(timeout_ms=500)).values()))
        await taker.commit()
    finally:
        await taker.stop()
    assert (await check()).status == "healthy"
    nobody = command_lag(address, Topics("nobody."), 2, Limits(1, 3))
    assert (await nobody()).status == "healthy", "topics are made by the first run"


@asynccontextmanager
async def producing(address: KafkaAddress) -> AsyncIterator[Any]:
    """A producer of any bytes."""
    producer = address.producer()
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
