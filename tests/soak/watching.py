"""Looks at the processes of a cluster while it works: memory, descriptors, threads, and how far they lag behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

import httpx
import psutil
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from elexirion.events.topics import Topics

from tests.e2e.cluster import Cluster, WorkerProcess
from tests.soak.samples import MINUTE_S, Sample

LAG = re.compile(r"^elexirion_log_lag_records\{.*\} (?P<records>[0-9.e+]+)$", re.MULTILINE)


class Watch:
    """`samples` and `lags` (seconds, records) of all that was seen; `pages` are the addresses of orchestrators."""

    def __init__(
        self, cluster: Cluster, pages: Mapping[str, str], every_s: float, clock: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.samples: list[Sample] = []
        self.lags: list[tuple[float, float]] = []
        self._cluster = cluster
        self._pages = pages
        self._every_s = every_s
        self._clock = clock
        self._tell = tell
        self._told = 0

    async def run(self) -> None:
        """Until cancelled."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._cluster.bootstrap)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._cluster.bootstrap, enable_auto_commit=False)
        await admin.start()
        await consumer.start()
        try:
            async with httpx.AsyncClient(verify=False, trust_env=False) as http:
                while True:
                    await asyncio.sleep(self._every_s)
                    at = self._clock()
                    self.samples += [_sample(at, worker) for worker in self._cluster.workers.values()]
                    behind = await self._behind_log(http) + await _behind(admin, consumer, self._cluster.topics)
                    self.lags.append((at, behind))
                    self._tell_each_minute(at)
        finally:
            await consumer.stop()
            await admin.close()

    def _tell_each_minute(self, at: float) -> None:
        if at // MINUTE_S > self._told:
            self._told = int(at // MINUTE_S)
            now = self.samples[-len(self._cluster.workers) :]
            self._tell(f"minute {self._told}: " + ", ".join(f"{one.process} {one.rss_mb:.0f} MB" for one in now))

    async def _behind_log(self, http: httpx.AsyncClient) -> float:
        """Records that orchestrators have not folded, as they say."""
        pages = [await http.get(f"{page}/metrics") for page in self._pages.values()]
        return sum(float(found["records"]) for page in pages for found in LAG.finditer(page.text))


async def _behind(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, topics: Topics) -> float:
    """Records that the groups of lanes and of commands have not committed."""
    records = 0
    for group in (topics.commands_group, topics.steps("claude"), topics.steps("local")):
        committed = await admin.list_consumer_group_offsets(group)
        ends = await consumer.end_offsets(list(committed))
        records += sum(max(0, ends[tp] - place.offset) for tp, place in committed.items() if place.offset >= 0)
    return float(records)


def _sample(at: float, worker: WorkerProcess) -> Sample:
    process = psutil.Process(worker.process.pid)
    all_of_it = [process, *process.children(recursive=True)]
    return Sample(
        at, worker.name, sum(one.memory_info().rss for one in all_of_it) / 2**20,
        sum(one.num_fds() for one in all_of_it), sum(one.num_threads() for one in all_of_it),
    )  # fmt: skip
