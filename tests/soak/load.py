"""Steady load: runs start at a rate, whoever listens sees them end, and a probe measures what a hop takes meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.codec import decode

from tests.e2e.cluster import Cluster, Publisher, run_id

PIPELINE = """\
name: soak
steps:
  - {name: ask, type: claude, prompt: [{type: static, content: "Tell me."}]}
  - {name: after, type: test_echo, value: "{{ ask }}"}
"""
MOST_OPEN = 200
"""Runs under way at once; further ones are held back until the machine has caught up."""
TERMINALS = tuple(f'{{"type":"{name}"'.encode() for name in sorted(TERMINAL_NAMES))
PROBE_EVERY_S = 0.5
ENDS_WITHIN_S = 60.0


class Load:
    """Starts runs of a cluster. `runs` and `hops` are points: seconds after the load began, and seconds taken."""

    def __init__(self, cluster: Cluster) -> None:
        self.runs: list[tuple[float, float]] = []
        self.hops: list[tuple[float, float]] = []
        self.ends: Counter[str] = Counter()
        self.started = 0
        self.held_back = 0
        self._cluster = cluster
        self._open: dict[str, float] = {}
        self._ended = asyncio.Condition()
        self._stack = AsyncExitStack()
        self._began = time.monotonic()

    async def __aenter__(self) -> Self:
        self._publisher: Publisher = await self._stack.enter_async_context(self._cluster.publisher())
        for follow in (self._follow(self._cluster.topics.events), self._probe(f"{self._cluster.topics.prefix}probe")):
            following = asyncio.create_task(follow)
            self._stack.callback(following.cancel)
        await asyncio.sleep(1)  # both consumers stand at the end of their topics
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def sustained(self, seconds: float, at_once: int) -> float:
        """Runs a second that the machine does with so many at once; nothing of it is kept as a measurement."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            await self._room(at_once)
            await self._start()
        await self.at_rest()
        return self.started / (time.monotonic() - began)

    async def steady(self, runs_per_s: float, seconds: float) -> None:
        """Start so many a second for so long, whatever they take, but never more than MOST_OPEN at once.

        What could not be started for that is not made up for later: the load stays what it was.
        """
        self._forget()
        due = self._began
        while (due := due + 1 / runs_per_s) < self._began + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(self._open) >= MOST_OPEN:
                await self._room(MOST_OPEN)
                self.held_back += int((time.monotonic() - due) * runs_per_s)
                due = max(due, time.monotonic())
            await self._start()

    async def at_rest(self) -> None:
        """Wait until all runs ended; those that do not end in time are missing from `ends`."""
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self._room(1)
        except TimeoutError:
            self._open.clear()

    @property
    def seconds(self) -> float:
        """Since the load began."""
        return time.monotonic() - self._began

    def _forget(self) -> None:
        self.runs.clear()
        self.hops.clear()
        self.ends.clear()
        self.started, self.held_back, self._began = 0, 0, time.monotonic()

    async def _room(self, most: int) -> None:
        async with self._ended:
            await self._ended.wait_for(lambda: len(self._open) < most)

    async def _start(self) -> None:
        run = run_id("soak")
        self._open[run] = time.time()
        self.started += 1
        await self._publisher.start(run, PIPELINE)

    async def _follow(self, topic: str) -> None:
        consumer = await _at_the_end(self._cluster.bootstrap, topic)
        try:
            while True:
                for messages in (await consumer.getmany(timeout_ms=500)).values():
                    for message in messages:
                        if message.value and message.value.startswith(TERMINALS):
                            await self._see(decode(message.value))
        finally:
            await consumer.stop()

    async def _see(self, record: Any) -> None:
        began = self._open.pop(record.run_id, None)
        if began is None:
            return
        self.ends[record.type] += 1
        self.runs.append((self.seconds, record.at.timestamp() - began))
        async with self._ended:
            self._ended.notify_all()

    async def _probe(self, topic: str) -> None:
        await _create(self._cluster.bootstrap, topic)
        producer = AIOKafkaProducer(bootstrap_servers=self._cluster.bootstrap, acks="all")
        await producer.start()
        consumer = await _at_the_end(self._cluster.bootstrap, topic)
        try:
            while True:
                began = time.monotonic()
                await producer.send_and_wait(topic, b"probe")
                await consumer.getone()
                self.hops.append((self.seconds, time.monotonic() - began))
                await asyncio.sleep(PROBE_EVERY_S)
        finally:
            await consumer.stop()
            await producer.stop()


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def _at_the_end(bootstrap: str, topic: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    known = await consumer._client.fetch_all_metadata()
    consumer.assign([TopicPartition(topic, p) for p in known.partitions_for_topic(topic) or ()])
    for tp in consumer.assignment():
        await consumer.seek_to_end(tp)
        await consumer.position(tp)
    return consumer
