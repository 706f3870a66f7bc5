"""Checking the log that is there: topic by topic and partition by partition, so that no log is too large."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from elexirion.agents.kafka.reading import PartitionReader, broker_time
from elexirion.agents.orchestrator.snapshot_topic import read_snapshots
from elexirion.client.client import Client
from elexirion.client.errors import UnknownRunError
from elexirion.events.partitioner import partition_of
from elexirion.pipelines.near import near
from elexirion.projections.history.checker import Checker, Findings
from elexirion.projections.history.commands import run_of
from elexirion.projections.history.records import Call, Written
from elexirion.projections.snapshot import Restored


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the check is: `read` of about `total` records; `topic` is the one that is being read."""

    topic: str
    read: int
    total: int


@dataclass(frozen=True, slots=True)
class Extent:
    """The offsets that a partition held when the check began: from `begin` on, before `end`."""

    begin: int
    end: int


def written(message: Any) -> Written:
    """A consumed message as the checker takes it."""
    author = dict(message.headers or ()).get("ce_source")
    return Written(
        message.topic, message.partition, message.offset, broker_time(message), message.value, message.key,
        author.decode(errors="replace") if author is not None else None,
    )  # fmt: skip


async def check_log(
    client: Client, *, run_id: str | None = None, at_rest: bool = False,
    calls: Iterable[Call] | None = None, told: Callable[[Progress], None] = lambda progress: None,
) -> Findings:  # fmt: skip
    """Check the log, or one run of it; raises KafkaProblem, and UnknownRunError where the log has no such run.

    `at_rest`: nothing is under way any more, so what is open is a violation. `calls` is the ledger of all providers,
    where somebody kept one. Each topic is read to its end as it is
    when the reading comes to it; chunks after the events that say how many there are.
    """
    reading = _Reading(client, Checker(calls, at_rest=at_rest), run_id, told)
    await reading.begin()
    try:
        await reading.read_all()
    finally:
        await reading.end()
    if run_id is not None and not reading.checker.findings.counts.events:
        raise UnknownRunError(run_id, near(run_id, await client.run_ids()))
    return reading.checker.finish()


class _Reading:
    """One check while it lasts."""

    def __init__(
        self, client: Client, checker: Checker, run_id: str | None, told: Callable[[Progress], None]
    ) -> None:  # fmt: skip
        self.checker = checker
        self._client = client
        self._run_id = run_id
        self._key = run_id.encode() if run_id is not None else None
        self._told = told
        self._read = self._total = 0
        topics = client.topics
        self._topics = (topics.commands, topics.dead_letters, topics.events, topics.chunks)
        self._readers = {topic: PartitionReader(client.address, topic) for topic in self._topics}
        self._extents: dict[tuple[str, int], Extent] = {}
        self._with_snapshots: frozenset[int] = frozenset()

    async def begin(self) -> None:
        """Learn what there is to read."""
        for topic in self._topics:
            for partition, extent in (await self._client.extents(topic)).items():
                self._extents[(topic, partition)] = Extent(*extent)
        if self._run_id is None:
            self._with_snapshots = frozenset(await self._client.extents(self._client.topics.snapshots))
        mine = [self._extents[place] for place in self._extents if self._wants(*place)]
        self._total = sum(extent.end - extent.begin for extent in mine)

    async def end(self) -> None:
        """Close the connections."""
        for reader in self._readers.values():
            await reader.stop()

    async def read_all(self) -> None:
        """Commands and dead letters, then of each partition its events and its chunks."""
        commands, letters, events, chunks = self._topics
        for partition in self._partitions(commands):
            await self._topic(commands, partition, self._command)
        for partition in self._partitions(letters):
            await self._topic(letters, partition, self.checker.dead_letter)
        for partition in self._partitions(events):
            gone = self._extents.get((chunks, partition), Extent(0, 0)).begin > 0
            checking = self.checker.partition(partition, chunks_gone=gone, snapshots=await self._snapshots(partition))
            await self._topic(events, partition, self._of_run(checking.event))
            if (chunks, partition) in self._extents:
                await self._topic(chunks, partition, self._of_run(checking.chunk))
            checking.finish()

    def _partitions(self, topic: str) -> list[int]:
        return [partition for name, partition in self._extents if name == topic and self._wants(name, partition)]

    async def _snapshots(self, partition: int) -> list[Restored]:
        """Read before the events, so that all that they were taken of is read as well."""
        if partition not in self._with_snapshots:
            return []
        found = await read_snapshots(self._client.address, self._client.topics.snapshots, [partition])
        return found[partition].usable()

    def _wants(self, topic: str, partition: int) -> bool:
        """Of one run, only its own partition of the log; its commands may lie anywhere."""
        _, _, *of_runs = self._topics
        if self._run_id is None or topic not in of_runs:
            return True
        return partition == partition_of(self._run_id, self._client.partitions)

    async def _topic(self, topic: str, partition: int, take: Callable[[Written], None]) -> None:
        def count(message: Any) -> None:
            take(written(message))
            self._read += 1
            self._told(Progress(topic, self._read, max(self._total, self._read)))

        begin = self._extents[(topic, partition)].begin
        await self._readers[topic].read(partition, begin, count)

    def _of_run(self, take: Callable[[Written], None]) -> Callable[[Written], None]:
        return lambda record: take(record) if self._key in (None, record.key) else None

    def _command(self, record: Written) -> None:
        if self._run_id is None or run_of(record) == self._run_id:
            self.checker.command(record)
