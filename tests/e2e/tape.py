"""Everything the topics of a prefix say, from the first record on, as a consumer subscribed beforehand sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from elexirion.agents.kafka.reading import broker_time
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.codec import decode
from elexirion.events.envelope import Record
from elexirion.events.step import StepChunk
from elexirion.events.topics import Topics
from elexirion.events.worker import WorkerHeartbeat
from elexirion.projections.partition import Accepted, PartitionFold, Verdict
from elexirion.projections.run_fold import Judged, judge_all
from elexirion.projections.run_state import RunState

FOUND = TypeVar("FOUND")
ENDS = TERMINAL_NAMES | {"CommandRejected"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as it arrived, at `arrived` monotonic seconds; `author` is the incarnation or client that wrote it."""

    topic: str
    partition: int
    offset: int
    record: Record
    author: str
    arrived: float
    message: Any


class Tape:
    """Reads what the topics say in the background; `until` waits for what shall be there."""

    def __init__(self, bootstrap: str, topics: Topics) -> None:
        self.events: list[Seen] = []
        self.chunks: list[Seen] = []
        self.workers: list[Seen] = []
        self.providers: list[Seen] = []
        self.dead_letters: list[dict[str, Any]] = []
        self._bootstrap = bootstrap
        self._topics = topics
        self._more = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        await self._consumer.start()
        await self._seek_to_first()
        self._reading = asyncio.create_task(self._read(), name="tape")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._consumer.stop()

    async def until(self, find: Callable[[], FOUND], within_s: float, what: str) -> FOUND:
        """What `find` gives as soon as it is true; fails with `what` and the last events if it never is."""
        try:
            async with asyncio.timeout(within_s), self._more:
                while not (found := find()):
                    assert self._reading is not None
                    if self._reading.done():
                        self._reading.result()
                    await self._more.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {within_s:g} s: {what}\n{self._last_events()}") from None

    # -- a run

    def of_run(self, run_id: str) -> list[Seen]:
        """Events of the run in log order."""
        return [seen for seen in self.events if seen.record.run_id == run_id]

    def named(self, run_id: str, *types: str) -> list[Seen]:
        """Events of these types of the run, accepted or not."""
        return [seen for seen in self.of_run(run_id) if seen.record.type in types]

    def judged(self, run_id: str) -> list[Judged]:
        """The run's records, each with what the fold says of it."""
        return list(judge_all(seen.record for seen in self.of_run(run_id)))

    def accepted(self, run_id: str, *types: str) -> list[Record]:
        """The accepted records of these types of the run."""
        return [
            judged.record for judged in self.judged(run_id) if judged.refused is None and judged.record.type in types
        ]

    def state(self, run_id: str) -> RunState:
        """The run after all that was read."""
        judged = self.judged(run_id)
        assert judged and judged[-1].state, f"run {run_id} did not start"
        return judged[-1].state

    def chunks_of(self, run_id: str) -> list[tuple[Seen, StepChunk]]:
        """The run's chunks in the order of arrival."""
        found = ((seen, seen.record.data) for seen in self.chunks if seen.record.run_id == run_id)
        return [(seen, data) for seen, data in found if isinstance(data, StepChunk)]

    async def event(self, run_id: str, type_name: str, within_s: float = 20) -> Seen:
        """The first event of this type of the run."""
        found = await self.until(lambda: self.named(run_id, type_name), within_s, f"{type_name} of {run_id} arrives")
        return found[0]

    async def end_of(self, run_id: str, within_s: float = 20) -> Record:
        """The accepted terminal event of the run, or the CommandRejected of its start."""
        terminal = await self.until(
            lambda: self.accepted(run_id, *TERMINAL_NAMES) or self.named(run_id, "CommandRejected"),
            within_s, f"run {run_id} ends",
        )  # fmt: skip
        first = terminal[0]
        return first.record if isinstance(first, Seen) else first

    async def completed(self, run_id: str, within_s: float = 20) -> Record:
        """The run's RunCompleted; fails where it ended otherwise."""
        end = await self.end_of(run_id, within_s)
        assert end.type == "RunCompleted", f"run {run_id} ended as {end.type}: {end.raw}\n{self._last_events()}"
        return end

    # -- a partition, and the fleet

    def verdicts(self) -> list[tuple[Seen, Verdict]]:
        """Every event with the verdict of its partition's fold, commands included."""
        folds: dict[int, PartitionFold] = {}
        return [
            (seen, folds.setdefault(seen.partition, PartitionFold(seen.partition)).apply(
                seen.record, seen.offset, broker_time(seen.message)))
            for seen in self.events
        ]  # fmt: skip

    def counted(self, *types: str) -> list[Seen]:
        """Events of these types that the fold of their partition accepts."""
        return [s for s, verdict in self.verdicts() if isinstance(verdict, Accepted) and s.record.type in types]

    def heartbeats(self) -> dict[str, WorkerHeartbeat]:
        """The newest heartbeat of each worker id."""
        newest: dict[str, WorkerHeartbeat] = {}
        for seen in self.workers:
            if isinstance(seen.record.data, WorkerHeartbeat):
                newest[seen.record.data.worker_id] = seen.record.data
        return newest

    # -- reading

    async def _seek_to_first(self) -> None:
        own = self._topics
        topics = (own.events, own.chunks, own.workers, own.providers, own.dead_letters)
        known = await self._consumer._client.fetch_all_metadata()
        tps = [TopicPartition(topic, p) for topic in topics for p in known.partitions_for_topic(topic) or ()]
        self._consumer.assign(tps)
        for tp, offset in (await self._consumer.beginning_offsets(tps)).items():
            self._consumer.seek(tp, offset)

    async def _read(self) -> None:
        try:
            while True:
                batches = await self._consumer.getmany(timeout_ms=500)
                async with self._more:
                    for messages in batches.values():
                        for message in messages:
                            self._take(message)
                    self._more.notify_all()
        finally:
            async with self._more:
                self._more.notify_all()

    def _take(self, message: Any) -> None:
        if message.topic == self._topics.dead_letters:
            self.dead_letters.append(orjson.loads(message.value))
            return
        author = dict(message.headers).get("ce_source", b"").decode()
        seen = Seen(
            message.topic, message.partition, message.offset, decode(message.value), author, time.monotonic(),
            message,
        )  # fmt: skip
        own = self._topics
        tracks = {own.events: self.events, own.chunks: self.chunks, own.providers: self.providers}
        tracks.get(message.topic, self.workers).append(seen)

    def _last_events(self) -> str:
        lines = [f"  p{s.partition}@{s.offset} {s.record.type} {s.record.id} by {s.author}" for s in self.events]
        return "the last events:\n" + "\n".join(lines[-40:])
