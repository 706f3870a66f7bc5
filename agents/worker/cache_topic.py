"""The `cache` topic: what the workers of a prefix tell each other about answers. Nothing here fails a step."""

import asyncio
import contextlib
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.envelope import Record
from elexirion.events.provider import CacheEntry
from elexirion.projections.result_cache import MAX_ENTRIES, CachedResults

log = structlog.get_logger(__name__)

WAITING = 200
"""Entries on their way to the broker; further ones are for this worker alone."""
AGAIN_AFTER_S = 5.0
FLUSH_WITHIN_S = 2.0
WRITTEN_WITHIN_S = 10.0
# A worker without news asks the broker every few seconds, and a large topic is read in small pieces, beside the work.
_PIECE = 1024 * 1024
_READER: dict[str, Any] = {"fetch_max_wait_ms": 5_000, "max_partition_fetch_bytes": _PIECE, "fetch_max_bytes": _PIECE}
_MESSAGES = 50
_NEWS_WITHIN_MS = 60_000


class CacheTopic:
    """Keeps `results` as the topic says, and writes to it in the background, in order."""

    def __init__(self, address: KafkaAddress, appender: Appender) -> None:
        self.results = CachedResults()
        self._address = address
        self._appender = appender
        self._waiting: asyncio.Queue[tuple[str, Record | None]] = asyncio.Queue(WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *, reading: bool) -> None:
        """Begin to write, and to read where `reading`; neither is waited for. What is not read yet is not found."""
        self._tasks.append(asyncio.create_task(self._write_on(), name="cache writer"))
        if reading:
            self._tasks.append(asyncio.create_task(self._read_on(), name="cache reader"))

    async def stop(self) -> None:
        """Write what waits, for a moment at most, and end."""
        if self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_WITHIN_S):
                    await self._waiting.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def write(self, request_hash: str, record: Record | None) -> None:
        """Put an entry on its way, or with None a tombstone; never waits and never raises."""
        try:
            self._waiting.put_nowait((request_hash, record))
        except asyncio.QueueFull:
            log.warning("the broker is slow: other workers are not told of a cached result", request=request_hash)

    # -- writing

    async def _write_on(self) -> None:
        while True:
            request_hash, record = await self._waiting.get()
            try:
                await self._append(request_hash, record)
            except KafkaProblem as problem:
                log.warning("a cached result was not written", request=request_hash, problem=str(problem))
            finally:
                self._waiting.task_done()

    async def _append(self, request_hash: str, record: Record | None) -> None:
        topic = self._appender.topics.cache
        if record is None:
            sent = await self._appender.raw(topic, None, request_hash, 0)
        else:
            sent = await self._appender.send(topic, record, request_hash, 0)
        await self._appender.acknowledged(sent, WRITTEN_WITHIN_S)

    # -- reading

    async def _read_on(self) -> None:
        while True:
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001  # whatever it is, steps go on with calls
                log.warning("the result cache cannot be read; trying again", error=repr(error))
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _read(self) -> None:
        consumer = self._address.consumer(**_READER)
        await connect(consumer, self._address.bootstrap)
        try:
            await self._seek(consumer)
            while True:
                batches = await consumer.getmany(timeout_ms=_NEWS_WITHIN_MS, max_records=_MESSAGES)
                for message in (one for messages in batches.values() for one in messages):
                    self._take(message)
                await asyncio.sleep(0)
        finally:
            await consumer.stop()

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        """Before the last entries, as many as can be kept: however old the topic is, no more is read."""
        tp = TopicPartition(self._appender.topics.cache, 0)
        consumer.assign([tp])
        begin = (await consumer.beginning_offsets([tp]))[tp]
        end = (await consumer.end_offsets([tp]))[tp]
        consumer.seek(tp, max(begin, end - MAX_ENTRIES))

    def _take(self, message: Any) -> None:
        key = (message.key or b"").decode(errors="replace")
        if message.value is None:
            self.results.forget(key)
            return
        try:
            data = decode(message.value).data
        except UndecodableError as error:
            log.warning("a record on the cache topic cannot be read", offset=message.offset, reason=str(error))
            return
        if isinstance(data, CacheEntry) and data.request_hash == key:
            self.results.keep(data)
