"""Writing a log of any length: copies of recorded runs, and the snapshots that an orchestrator would have left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import open_reader, scan
from elexirion.agents.orchestrator import follow as log_follow
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.orchestrator.snapshot_topic import read_snapshots
from elexirion.agents.orchestrator.snapshot_writer import SnapshotWriter
from elexirion.agents.settings import Settings
from elexirion.events.codec import encode, headers
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import utc_now
from elexirion.events.partitioner import partition_of
from elexirion.projections.partition import Accepted, PartitionFold

from tests.e2e.cluster import Cluster
from tests.takeover.copies import Copy, RunCopy
from tests.takeover.recorded_runs import PARTITIONS, Recording

AT_ONCE = 200
"""Runs whose commands are published together."""
ENDED = ("short", "story", "short", "short")
OPEN = (
    ("short", "StepCompleted"),
    ("asking", None),
    ("story", "StepStarted"),
    ("story", "StepCompleted"),
    ("asking", None),
)
"""Of five runs one has something to decide at once, one a step to give to a worker; two wait for somebody's answer,
one for a worker that is gone."""


@dataclass(slots=True)
class LongLog:
    """What was written: `unread` are the records of each partition that its newest snapshot does not hold."""

    events: int = 0
    runs: int = 0
    open_runs: int = 0
    unread: dict[int, int] = field(default_factory=dict)

    def told(self) -> str:
        """For people."""
        return (
            f"log: {self.events} events of {self.runs} runs, {self.open_runs} of them open; "
            f"{sum(self.unread.values())} records behind the snapshots, {max(self.unread.values())} in a partition"
        )


class LogWriter:
    """Writes and folds a log as its orchestrator would; nobody else may write meanwhile."""

    def __init__(
        self, cluster: Cluster, recordings: dict[str, Recording], snapshot_records: int | None = None,
        progress: Callable[[int, int], None] = lambda written, of: None,
    ) -> None:  # fmt: skip
        self._topics = cluster.topics
        self._address = KafkaAddress(cluster.bootstrap)
        self._recordings = recordings
        self._producer: AIOKafkaProducer = self._address.producer()
        self._appender = Appender(self._address, cluster.topics, PARTITIONS, "takeover", lambda _: None)
        self._owned: dict[int, Owned] = {}
        records = snapshot_records or Settings.model_fields["snapshot_records"].default
        self._snapshots = SnapshotWriter(self._appender, self._owned, records, seconds=float("inf"))
        self._opened = 0
        self._progress = progress

    async def write(self, events: int, open_runs: int) -> LongLog:
        """At least so many events, and on until each partition is just short of its next snapshot: the worst moment."""
        await asyncio.gather(self._producer.start(), self._appender.start())
        try:
            await self._follow_what_is_there()
            await self._copies(events, open_runs)
            await self._fill_up()
            await self._commands_are_read()
            await self._nobody_else_wrote()
        finally:
            await asyncio.gather(self._producer.stop(), self._appender.stop())
        folds = {partition: owned.fold for partition, owned in self._owned.items()}
        return LongLog(
            self._events(), sum(len(f.runs) + len(f.ended) for f in folds.values()),
            sum(len(f.runs) for f in folds.values()), {p: owned.unsaved for p, owned in self._owned.items()},
        )  # fmt: skip

    def _events(self) -> int:
        return sum(owned.fold.next_offset for owned in self._owned.values())

    async def _follow_what_is_there(self) -> None:
        found = await read_snapshots(self._address, self._topics.snapshots, range(PARTITIONS))
        for partition, lying in found.items():
            restored = lying.newest(partition)
            self._snapshots.found(partition, lying.parts(), restored.contents if restored else None)
            owned = Owned(PartitionFold(partition), caught_up=True)
            if restored:
                owned.fold, owned.tally, owned.snapshot = restored.fold, restored.tally, restored.contents.offset
            self._owned[partition] = owned
        async for message in scan(self._address, self._topics.events, range(PARTITIONS)):
            owned = self._owned[message.partition]
            if message.offset >= owned.fold.next_offset:
                followed = log_follow.follow(owned.fold, message)
                assert not isinstance(followed, DeadLetter)
                owned.tally.take(followed.record, followed.verdict, followed.before)

    # -- which runs

    async def _copies(self, events: int, open_runs: int) -> None:
        each = (events // open_runs) if open_runs else events
        named = _run_ids()
        left = open_runs
        while self._events() < events or left:
            begin, batch = self._events(), []
            for run_id in islice(named, AT_ONCE):
                planned = begin + sum(map(len, batch))
                if left and planned >= (open_runs - left) * each:
                    batch.append(self._open(run_id))
                    left -= 1
                elif planned < events:
                    batch.append(self._ended(run_id))
            await self._runs(batch)
            self._progress(self._events(), events)

    async def _fill_up(self) -> None:
        """More runs that ended, where the next snapshot is not due yet."""
        named = _run_ids(first=90_000_000)
        while short := {p for p in self._owned if self._snapshots.left(p) > len(self._recordings["short"].events)}:
            ids = [run_id for run_id in islice(named, 64) if partition_of(run_id, PARTITIONS) in short]
            once = {partition_of(run_id, PARTITIONS): run_id for run_id in ids}
            await self._runs([self._copy(run_id, "short") for run_id in once.values()])

    def _open(self, run_id: str) -> RunCopy:
        name, until = OPEN[self._opened % len(OPEN)]
        self._opened += 1
        return self._copy(run_id, name, until)

    def _ended(self, run_id: str) -> RunCopy:
        return self._copy(run_id, ENDED[int(run_id[-8:]) % len(ENDED)])

    def _copy(self, run_id: str, name: str, until: str | None = None) -> RunCopy:
        return RunCopy(self._recordings[name], run_id, utc_now(), until)

    # -- writing them

    async def _runs(self, copies: list[RunCopy]) -> None:
        commands = [copy.command() for copy in copies]
        places = [await self._send(self._topics.commands, command) for command in commands]
        for copy, place in zip(copies, await asyncio.gather(*places), strict=True):
            await self._run(copy, place)
        await self._producer.flush()
        await self._snapshots.look()

    async def _run(self, copy: RunCopy, place: Any) -> None:
        owned = self._owned[partition_of(copy.run_id, PARTITIONS)]
        for number in range(len(copy)):
            state = owned.fold.runs.get(copy.run_id)
            said = copy.event(number, state, place.partition, place.offset)
            await self._send(self._topics.events, said)
            verdict = owned.fold.apply(said.record, owned.fold.next_offset, said.at)
            assert isinstance(verdict, Accepted), f"{said.record.type} of {copy.run_id}: {verdict}"
            owned.tally.take(said.record, verdict, state)
        for chunk in copy.chunks():
            await self._send(self._topics.chunks, chunk)

    async def _send(self, topic: str, said: Copy) -> asyncio.Future[Any]:
        record = said.record
        sent: asyncio.Future[Any] = await self._producer.send(
            topic, encode(record), key=record.run_id.encode(), partition=partition_of(record.run_id, PARTITIONS),
            timestamp_ms=round(said.at.timestamp() * 1000), headers=headers(record, said.author),
        )  # fmt: skip
        return sent

    async def _commands_are_read(self) -> None:
        """All commands stand in the log, so whoever forwards them goes on behind them."""
        consumer = self._address.consumer(group=self._topics.commands_group)
        await consumer.start()
        try:
            tps = [TopicPartition(self._topics.commands, partition) for partition in range(PARTITIONS)]
            consumer.assign(tps)
            await consumer.commit(await consumer.end_offsets(tps))
        finally:
            await consumer.stop()

    async def _nobody_else_wrote(self) -> None:
        reader = await open_reader(self._address, self._topics.events, range(PARTITIONS))
        try:
            ends = await reader.end_offsets(reader.assignment())
        finally:
            await reader.stop()
        followed = {partition: owned.fold.next_offset for partition, owned in self._owned.items()}
        assert {tp.partition: end for tp, end in ends.items()} == followed


def _run_ids(first: int = 0) -> Iterator[str]:
    number = first
    while True:
        yield f"copied-{number:08d}"
        number += 1
