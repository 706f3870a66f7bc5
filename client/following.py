"""Following a run live: its events and, where wanted, its chunks, from a position to its end."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.client.chunks import Chunk, ChunkDesk
from elexirion.client.run_log import Entry, RunJudge
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.step import StepChunk

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of two writers may differ when a position is looked up by time."""

Update: TypeAlias = Entry | Chunk


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a run's records lie. Offsets are where reading begins; None means from the beginning.

    `chunks` None is replaced by the place in time of the run's first event, once that was read.
    """

    run_id: str
    events: TopicPartition
    chunks: TopicPartition
    events_from: int | None = None
    chunks_from: int | None = None


async def follow(
    address: KafkaAddress, place: RunPlace, *, chunks: bool, past_end: bool = False
) -> AsyncGenerator[Update, None]:
    """Entries and chunks as they come, until the run's terminal event and all text before it.

    Never ends by itself for a run that does not end, nor with `past_end`: commands to a run that ended have their
    outcome after it. Raises KafkaProblem.
    """
    reader = _Reader(address.consumer(), place, chunks)
    await connect(reader.consumer, address.bootstrap)
    try:
        await reader.begin()
        while past_end or not await reader.finished():
            for update in await reader.read():
                yield update
    except KafkaError as error:
        raise KafkaProblem(f"reading run {place.run_id} failed: {type(error).__name__} {error}") from error
    finally:
        await reader.consumer.stop()


class _Reader:
    def __init__(self, consumer: AIOKafkaConsumer, place: RunPlace, chunks: bool) -> None:
        self.consumer = consumer
        self._place = place
        self._key = place.run_id.encode()
        self._wanted = chunks
        self._judge = RunJudge()
        self._desk = ChunkDesk()
        self._text_end: int | None = None
        self._text_placed = False

    async def begin(self) -> None:
        place = self._place
        self.consumer.assign([place.events, place.chunks] if self._wanted else [place.events])
        self.consumer.seek(place.events, await self._or_beginning(place.events, place.events_from))
        if not self._wanted:
            return
        self.consumer.seek(place.chunks, await self._or_beginning(place.chunks, place.chunks_from))
        self._text_placed = place.chunks_from is not None
        if not self._text_placed:
            self.consumer.pause(place.chunks)

    async def _or_beginning(self, tp: TopicPartition, offset: int | None) -> int:
        if offset is not None:
            return offset
        return int((await self.consumer.beginning_offsets([tp]))[tp])

    async def finished(self) -> bool:
        """Whether the end was read, and the text that stood before it."""
        state = self._judge.state
        if state is None or not state.ended:
            return False
        if not self._wanted:
            return True
        tp = self._place.chunks
        if self._text_end is None:
            # Chunks are acknowledged before their execution's terminal report is written.
            self._text_end = (await self.consumer.end_offsets([tp]))[tp]
        end = self._text_end or 0
        return bool(await self.consumer.position(tp) >= end)

    async def read(self) -> list[Update]:
        batches = await self.consumer.getmany(timeout_ms=500)
        # The text first: the consumer has passed it, so an event that asks for more would not find it again.
        for message in batches.get(self._place.chunks, ()):
            self._text(message)
        updates: list[Update] = []
        for message in batches.get(self._place.events, ()):
            updates += await self._event(message)
        return updates + self._desk.known(self._judge.state)

    async def _event(self, message: Any) -> list[Update]:
        if message.key != self._key:
            return []
        if self._wanted and not self._text_placed:
            await self._place_text(message.timestamp)
        before = self._judge.state
        entry = self._judge.take(message)
        if self._wanted and self._desk.lacks(entry):
            await self._catch_up()
        # Text that stands before this record is given before it, as far as it was read.
        return [*self._desk.known(before), entry]

    async def _catch_up(self) -> None:
        """Read all text written so far: chunks are acknowledged before the report that counts them is written."""
        tp = self._place.chunks
        end = (await self.consumer.end_offsets([tp]))[tp]
        while await self.consumer.position(tp) < end:
            for message in (await self.consumer.getmany(tp, timeout_ms=500)).get(tp, ()):
                self._text(message)

    async def _place_text(self, timestamp_ms: int) -> None:
        tp = self._place.chunks
        self.consumer.seek(tp, await offset_at(self.consumer, tp, timestamp_ms))
        self.consumer.resume(tp)
        self._text_placed = True

    def _text(self, message: Any) -> None:
        if message.key != self._key:
            return
        try:
            data = decode(message.value).data
        except UndecodableError:
            return
        if isinstance(data, StepChunk):
            self._desk.take(data)


async def offset_at(consumer: AIOKafkaConsumer, tp: TopicPartition, timestamp_ms: int) -> int:
    """The offset from which everything written since `timestamp_ms` is found, clocks differing as they may."""
    # The end first: what is written between the two questions must not be passed over.
    end = int((await consumer.end_offsets([tp]))[tp])
    earliest = max(0, timestamp_ms - int(CLOCK_SKEW.total_seconds() * 1000))
    found = (await consumer.offsets_for_times({tp: earliest}))[tp]
    return end if found is None else min(end, int(found.offset))
