"""Starting an orchestrator over a log that is there, and how long it takes until it decides."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from elexirion.events.codec import decode
from elexirion.events.worker import WorkerHeartbeat

from tests.e2e.cluster import Cluster, WorkerProcess
from tests.takeover.recorded_runs import PARTITIONS


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process; `records_read` of each partition behind its snapshot."""

    first_decision_s: float
    phases: dict[str, float]
    open_runs: int
    records_read: dict[int, int]

    def told(self) -> str:
        """For people."""
        phases = ", ".join(f"{name} {at:.2f}" for name, at in self.phases.items())
        return (
            f"first decision {self.first_decision_s:.2f} s after the start of the process ({phases}); "
            f"{self.open_runs} open runs, {sum(self.records_read.values())} records read"
        )


class NewRecords:
    """What comes to `events` and `workers` from now on."""

    def __init__(self, cluster: Cluster) -> None:
        self._topics = cluster.topics
        self._consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, enable_auto_commit=False)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        tps = [TopicPartition(self._topics.events, partition) for partition in range(PARTITIONS)]
        self._consumer.assign([*tps, TopicPartition(self._topics.workers, 0)])
        await self._consumer.seek_to_end()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def first(self, wanted: Callable[[Any], bool], within_s: float) -> Any:
        """The first message that is wanted."""
        ends_at = time.monotonic() + within_s
        while time.monotonic() < ends_at:
            for messages in (await self._consumer.getmany(timeout_ms=200)).values():
                for message in messages:
                    if wanted(message):
                        return message
        raise AssertionError(f"not within {within_s:g} s")

    async def serving(self, worker: WorkerProcess) -> None:
        """Wait until it reads partitions of each of its lanes."""

        def reads_all(message: Any) -> bool:
            if message.topic != self._topics.workers:
                return False
            data = decode(message.value).data
            return (
                isinstance(data, WorkerHeartbeat)
                and data.worker_id == worker.name
                and {offer.lane for offer in data.lanes if offer.partitions} == set(worker.lanes)
            )

        await self.first(reads_all, 40)

    async def decision_of(self, worker: WorkerProcess, within_s: float) -> float:
        """When the broker had the first decision of this process, in seconds since the epoch."""

        def decided(message: Any) -> bool:
            author = dict(message.headers or ()).get("ce_source", b"").decode()
            if message.topic != self._topics.events or not author.startswith(f"{worker.name}."):
                return False
            return decode(message.value).seq is not None

        return (await self.first(decided, within_s)).timestamp / 1000


async def start_orchestrator(cluster: Cluster, name: str, roles: str = "orchestrator", within_s: float = 60) -> Start:
    """Start it, and stop it when it has decided and reads all partitions live; nobody waits for it in its group."""
    async with NewRecords(cluster) as records:
        began = time.time()
        worker = cluster.start(name, roles=roles, ELEXIRION_DRAIN_S="0")
        decided_at = await records.decision_of(worker, within_s)
    lines = await _until_live(worker, within_s)
    await leave(worker)
    deciding = [line for line in lines if line["event"] == "deciding"]
    return Start(
        decided_at - began, _phases(lines, began), sum(line["open_runs"] for line in deciding),
        {line["partition"]: line["records_read"] for line in deciding},
    )  # fmt: skip


async def leave(worker: WorkerProcess) -> None:
    """Stop it; it leaves its groups, so that others wait for nobody."""
    worker.signal(signal.SIGTERM)
    await worker.ended(40)


async def _until_live(worker: WorkerProcess, within_s: float) -> list[dict[str, Any]]:
    async with asyncio.timeout(within_s):
        while True:
            lines = _log_of(worker)
            if sum(line["event"] == "deciding" for line in lines) >= PARTITIONS:
                return lines
            await asyncio.sleep(0.05)


def _log_of(worker: WorkerProcess) -> list[dict[str, Any]]:
    text = worker.log.read_text(errors="replace")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _phases(lines: list[dict[str, Any]], began: float) -> dict[str, float]:
    """When the process said what, in seconds after its start: the last one of each."""
    said: dict[str, float] = {}
    for line in lines:
        if line["event"] in ("snapshot restored", "partitions gained", "deciding", "worker ready"):
            said[line["event"]] = _seconds(line["timestamp"]) - began
    return said


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(re.sub("Z$", "+00:00", timestamp)).timestamp()


def python_start_s() -> float:
    """What of a start is Python: loading the modules of a worker, nothing else."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", "import uvloop, elexirion.agents.worker.process, elexirion.agents.worker.deciding"],
        check=True,
    )
    return time.monotonic() - began
