"""The client: one connection to the topics, for any number of runs."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka import payloads
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import partition_count, scan
from elexirion.agents.settings import Settings, load_settings
from elexirion.client.errors import UnknownRunError
from elexirion.client.following import RunPlace, offset_at
from elexirion.client.handle import RunHandle
from elexirion.client.run_log import RunJudge, RunLog
from elexirion.client.run_text import read_text
from elexirion.events.commands import PipelineReference, Replay, RunSource, StartRun
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.identifiers import RUN_ID_PATTERN, new_command_id, new_run_id
from elexirion.events.partitioner import partition_of
from elexirion.events.priority import Priority
from elexirion.events.record_model import RecordModel
from elexirion.events.schedule import Schedule
from elexirion.events.topics import Topics
from elexirion.events.values import Value
from elexirion.pipelines.near import near
from elexirion.projections.replay import Streamed

ACKNOWLEDGED_WITHIN_S = 15.0

PipelineLike: TypeAlias = Path | str | dict[str, Any] | PipelineReference
"""A file (Path), YAML or JSON text (str), a parsed document, or a pipeline with its source."""


class Client:
    """An async context manager. `bootstrap` is `host:port` of a Kafka; unset, `ELEXIRION_KAFKA` names it."""

    def __init__(self, bootstrap: str | None = None, *, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        found = bootstrap or self.settings.kafka
        if not found:
            raise ValueError("which Kafka? give `bootstrap`, or set ELEXIRION_KAFKA to its host:port")
        self.address = KafkaAddress(found, "elexirion-client")
        self.topics = Topics(self.settings.topic_prefix)
        self.partitions = 0
        self._appender: Appender | None = None
        self._asking: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        """Connect; raises BrokerUnreachableError, and KafkaProblem where the topics do not exist."""
        self.partitions = await partition_count(self.address, self.topics.events)
        appender = Appender(self.address, self.topics, self.partitions, "elexirion/client", lambda _: None)
        asking = self.address.consumer()
        await appender.start()
        self._appender = appender
        await connect(asking, self.address.bootstrap)
        self._asking = asking
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._appender is not None:
            await self._appender.stop()
        if self._asking is not None:
            await self._asking.stop()

    async def start(
        self,
        pipeline: PipelineLike,
        *,
        inputs: Mapping[str, Any] | None = None,
        offline: bool = False,
        replay_from: Replay | None = None,
        then: Iterable[PipelineLike] = (),
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
        schedule: Schedule | None = None,
        priority: Priority | None = None,
    ) -> RunHandle:
        """Publish a StartRun; returns when the broker has it. The pipeline is checked by the orchestrator.

        `replay_from` answers the calls of models from a recorded run. `then`: pipelines that follow, each with the
        output before it as `inputs.input`. Nothing begins before `start_at`; a time that has passed is now. With a
        `schedule` the run stays, starts runs of the pipeline at its times, and is removed by `cancel`. `priority`
        is its share of a full lane; unset, the pipeline's. Raises
        ValueError for a malformed `run_id` and a `start_at` without time zone, OSError for an unreadable file,
        KafkaProblem.
        """
        chosen = run_id or new_run_id()
        if not re.fullmatch(RUN_ID_PATTERN, chosen):
            raise ValueError(f"a run id is made of letters, digits and ._~- (at most 128), not {chosen!r}")
        first = await asyncio.to_thread(_reference, pipeline)
        data = StartRun(
            pipeline=first.pipeline, source=first.source, inputs=dict(inputs or {}), offline=offline,
            replay_from=replay_from,
            then=tuple([await asyncio.to_thread(_reference, following) for following in then]),
            tags=dict(tags or {}), start_at=start_at, schedule=schedule,
            priority=priority,
        )  # fmt: skip
        place = await self._end_of_log(chosen)
        return RunHandle(self, place, await self.send(chosen, data))

    def run(self, run_id: str) -> RunHandle:
        """A run that anybody started: read from the beginning of the log. It need not exist yet."""
        return RunHandle(self, self._place(run_id))

    async def following(self, run_id: str, since: datetime) -> RunHandle:
        """A run that started after `since`, the start of a run before it in a chain."""
        place, at = self._place(run_id), int(since.timestamp() * 1000)
        events = await offset_at(self._consumer(), place.events, at)
        chunks = await offset_at(self._consumer(), place.chunks, at)
        return RunHandle(self, RunPlace(run_id, place.events, place.chunks, events, chunks))

    async def send(self, run_id: str, command: RecordModel, command_id: str | None = None) -> str:
        """Publish a command to a run; returns its id once the broker has it. Raises KafkaProblem."""
        if self._appender is None:
            raise RuntimeError("use the client as `async with Client(…) as client:`")
        record = make_record(command, id=command_id or new_command_id(), run_id=run_id, at=utc_now())
        sent = await self._appender.keyed(self.topics.commands, record)
        await self._appender.acknowledged(sent, ACKNOWLEDGED_WITHIN_S)
        return record.id

    async def publish(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        headers: list[tuple[str, bytes]],
        partition: int | None = None,
    ) -> RecordMetadata:
        """Publish bytes as they are; returns where they stand once the broker has them. Raises KafkaProblem."""
        if self._appender is None:
            raise RuntimeError("use the client as `async with Client(…) as client:`")
        named = key.decode(errors="replace") if key is not None else None
        sent = await self._appender.raw(topic, value, named, partition, headers)
        return await self._appender.acknowledged(sent, ACKNOWLEDGED_WITHIN_S)

    async def load(self, value: Value) -> object:
        """The value itself, read from `payloads` where it was too large for a record. Raises KafkaProblem."""
        return await payloads.load(self.address, self.topics.payloads, value)

    async def read(self, run_id: str) -> RunLog:
        """All that the log holds of a run now; raises UnknownRunError where that is nothing, KafkaProblem."""
        judge, key = RunJudge(), run_id.encode()
        partition = partition_of(run_id, self.partitions)
        messages = scan(self.address, self.topics.events, [partition])
        entries = tuple([judge.take(message) async for message in messages if message.key == key])
        if not entries:
            raise UnknownRunError(run_id, near(run_id, await self.run_ids()))
        return RunLog(run_id, entries)

    async def text(self, log: RunLog) -> list[Streamed]:
        """The chunks of a run that are still kept, with their broker timestamps; raises KafkaProblem."""
        return await read_text(self.address, self._place(log.run_id).chunks, log)

    async def chunk_values(self, run_id: str) -> AsyncIterator[bytes]:
        """The chunk records of a run that are still kept, as they stand on the topic."""
        key, partition = run_id.encode(), partition_of(run_id, self.partitions)
        async for message in scan(self.address, self.topics.chunks, [partition]):
            if message.key == key and message.value is not None:
                yield message.value

    async def run_ids(self) -> list[str]:
        """Every run id in the log, in no order."""
        messages = scan(self.address, self.topics.events, range(self.partitions))
        return list({message.key.decode(errors="replace"): None async for message in messages if message.key})

    async def extents(self, topic: str) -> dict[int, tuple[int, int]]:
        """The first offset kept and the next one to be written of each partition; raises KafkaProblem."""
        tps = [TopicPartition(topic, n) for n in range(await partition_count(self.address, topic))]
        begins = await self._consumer().beginning_offsets(tps)
        ends = await self._consumer().end_offsets(tps)
        return {tp.partition: (begins[tp], ends[tp]) for tp in tps}

    def _place(self, run_id: str) -> RunPlace:
        partition = partition_of(run_id, self.partitions)
        return RunPlace(
            run_id, TopicPartition(self.topics.events, partition), TopicPartition(self.topics.chunks, partition)
        )

    async def _end_of_log(self, run_id: str) -> RunPlace:
        """Taken before a command is published, so that nothing that follows from it is missed."""
        place = self._place(run_id)
        ends = await self._consumer().end_offsets([place.events, place.chunks])
        return RunPlace(run_id, place.events, place.chunks, ends[place.events], ends[place.chunks])

    def _consumer(self) -> AIOKafkaConsumer:
        if self._asking is None:
            raise KafkaProblem("the client is not connected.", "Use `async with Client(…) as client:`.")
        return self._asking


def _reference(pipeline: PipelineLike) -> PipelineReference:
    match pipeline:
        case PipelineReference():
            return pipeline
        case Path():
            return file_reference(pipeline)
        case _:
            return PipelineReference(pipeline=pipeline, source=RunSource(cwd=str(Path.cwd())))


def file_reference(path: Path) -> PipelineReference:
    """A file's text with where it came from; raises OSError or UnicodeDecodeError."""
    source = RunSource(file=str(path), folder=str(path.absolute().parent), cwd=str(Path.cwd()))
    return PipelineReference(pipeline=path.read_text("utf-8"), source=source)
