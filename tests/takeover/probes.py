"""Work for every partition again and again, so that whoever decides for it is seen to: runs that need no worker."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from elexirion.events.partitioner import partition_of

from tests.e2e.cluster import NO_LANE, Cluster, Publisher, run_id
from tests.takeover.recorded_runs import PARTITIONS

EVERY_S = 0.25


class Probes:
    """Starts a run on each partition every EVERY_S; keeps by partition who decided last, and when (epoch seconds)."""

    def __init__(self, cluster: Cluster, publisher: Publisher) -> None:
        self.decided: dict[int, tuple[float, str]] = {}
        self._topics = cluster.topics
        self._publisher = publisher
        self._consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, enable_auto_commit=False)
        self._more = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self._topics.events, partition) for partition in range(PARTITIONS)])
        await self._consumer.seek_to_end()
        self._tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._read())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._consumer.stop()

    async def until(self, true: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait until what is kept here makes it true."""
        try:
            async with asyncio.timeout(within_s), self._more:
                while not true():
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within_s:g} s: {what}; decided: {self.decided}") from None

    async def everywhere(self, within_s: float = 40) -> None:
        """Wait until each partition was decided for after now."""
        now = time.time()
        await self.until(
            lambda: len([at for at, _ in self.decided.values() if at > now]) == PARTITIONS, within_s,
            "each partition is decided for",
        )  # fmt: skip

    async def _publish(self) -> None:
        for _ in itertools.count():
            names: dict[int, str] = {}
            while len(names) < PARTITIONS:
                name = run_id("probe")
                names[partition_of(name, PARTITIONS)] = name
            for name in names.values():
                await self._publisher.start(name, NO_LANE)
            await asyncio.sleep(EVERY_S)

    async def _read(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=200)
            async with self._more:
                for tp, messages in batches.items():
                    for message in messages:
                        if "seq" in orjson.loads(message.value):
                            author = dict(message.headers)["ce_source"].decode()
                            self.decided[tp.partition] = (message.timestamp / 1000, author)
                self._more.notify_all()
