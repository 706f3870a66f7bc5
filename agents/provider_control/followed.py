"""The topic `providers` as this process has read it: the fold, and what is appended to it."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import broker_time
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record, utc_now
from elexirion.projections.providers import HORIZON, Providers, apply

log = structlog.get_logger(__name__)

AGAIN_AFTER_S = 1.0
READ_WITHIN_S = 10.0
"""How long a starting process waits until it knows what was decided; after that it works on without."""
APPENDED_WITHIN_S = 5.0
# Nothing is polled: the broker answers as soon as there is something, or after this long.
_READER: dict[str, Any] = {"fetch_max_wait_ms": 5_000}
_NEWS_WITHIN_MS = 60_000
_MESSAGES = 1_000


class FollowedProviders:
    """Keeps `state` as the topic says. Without a broker it stands still, and calls go on as it last was."""

    def __init__(self, address: KafkaAddress, appender: Appender) -> None:
        self.state = Providers()
        self._address = address
        self._appender = appender
        self._tp = TopicPartition(appender.topics.providers, 0)
        self._next: int | None = None
        self._target: int | None = None
        self._read = asyncio.Event()
        self._news = asyncio.Event()
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow from here on; returns once the topic is read to its present end, or after READ_WITHIN_S."""
        self._task = asyncio.create_task(self._follow(), name="providers")
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await self._read.wait()
        except TimeoutError:
            log.warning("what is decided about providers is not known yet", within_s=READ_WITHIN_S)

    async def stop(self) -> None:
        """Follow no more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def caught_up(self) -> bool:
        """Whether the topic was read to the end that it had at the start."""
        return self._read.is_set()

    async def news(self, within_s: float) -> None:
        """Wait until something was read, for `within_s` seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()

    def tell(self) -> None:
        """Wake all who wait for news: there is some, here or in this process."""
        self._news.set()
        self._news = asyncio.Event()

    async def append(self, record: Record, within_s: float = APPENDED_WITHIN_S) -> int:
        """Append a record and give its offset once the broker has it; raises KafkaProblem."""
        sent = await self._appender.send(self._tp.topic, record, record.run_id, 0)
        place = await self._appender.acknowledged(sent, within_s)
        return int(place.offset)

    async def read_to(self, offset: int, within_s: float) -> bool:
        """Wait until the record at `offset` was read; whether it was in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while (self._next or 0) <= offset:
                    await self._news.wait()
                return True
        return False

    async def up_to_date(self, within_s: float) -> bool:
        """Read all that stands on the topic now; whether that was in time."""
        if self._consumer is None:
            return False
        try:
            async with asyncio.timeout(within_s):
                end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        except (TimeoutError, KafkaError):
            return False
        return await self.read_to(end - 1, within_s)

    # -- reading

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_on()
            except Exception as error:  # noqa: BLE001  # whatever it is, steps go on with what is known
                log.warning("what is decided about providers cannot be read; trying again", error=repr(error))
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _read_on(self) -> None:
        consumer = self._address.consumer(**_READER)
        await connect(consumer, self._address.bootstrap)
        try:
            await self._seek(consumer)
            self._consumer = consumer
            while True:
                self._look_for_end()
                batches = await consumer.getmany(timeout_ms=_NEWS_WITHIN_MS, max_records=_MESSAGES)
                for message in (one for messages in batches.values() for one in messages):
                    await self._take(message)
                await asyncio.sleep(0)
        finally:
            self._consumer = None
            await consumer.stop()

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        """Where we were, or what is left of the topic, or HORIZON ago."""
        consumer.assign([self._tp])
        begin = (await consumer.beginning_offsets([self._tp]))[self._tp]
        end = (await consumer.end_offsets([self._tp]))[self._tp]
        if self._next is None or not begin <= self._next <= end:
            since = int((utc_now() - HORIZON).timestamp() * 1000)
            found = (await consumer.offsets_for_times({self._tp: since}))[self._tp]
            self._next = max(begin, found.offset) if found else end
        self._target = end if self._target is None else self._target
        consumer.seek(self._tp, self._next)

    def _look_for_end(self) -> None:
        if self._target is not None and (self._next or 0) >= self._target:
            self._read.set()
        self.tell()

    async def _take(self, message: Any) -> None:
        self._next = message.offset + 1
        try:
            record = decode(message.value)
        except UndecodableError as error:
            await self._bury(message, str(error))
            return
        self.state = apply(self.state, record, _at(message))

    async def _bury(self, message: Any, reason: str) -> None:
        """Passed over by everyone; whoever reads it first buries it, and several copies do no harm."""
        log.warning("a record about providers cannot be read", offset=message.offset, reason=reason)
        if not self.caught_up:
            return
        letter = DeadLetter(message.topic, 0, message.offset, reason, message.key, message.value or b"")
        with contextlib.suppress(KafkaProblem):
            await self._appender.raw(self._appender.topics.dead_letters, letter.encode(), None, 0)


def _at(message: Any) -> datetime:
    return broker_time(message).astimezone(UTC)
