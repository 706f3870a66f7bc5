"""Appending records: one idempotent producer a process, every append with a deadline.

No acknowledgement in time means that the outcome is unknown, not that nothing was written.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from aiokafka.errors import BrokerResponseError, KafkaError, MessageSizeTooLargeError, ProducerFenced
from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import (
    AppendUnknownError,
    KafkaProblem,
    ProducerFatalError,
    RecordTooLargeError,
)
from elexirion.events.codec import encode, headers
from elexirion.events.envelope import Record
from elexirion.events.partitioner import partition_of
from elexirion.events.topics import Topics


class Appender:
    """Writes records to topics. `on_fatal` is called once when the producer can never write again."""

    def __init__(
        self,
        address: KafkaAddress,
        topics: Topics,
        log_partitions: int,
        source: str,
        on_fatal: Callable[[ProducerFatalError], None],
    ) -> None:
        self.topics = topics
        self.log_partitions = log_partitions
        self.source = source
        self._address = address
        self._producer = address.producer()
        self._on_fatal = on_fatal
        self.acknowledged_event: Callable[[Record, asyncio.Future[RecordMetadata]], None] | None = None
        """Told of every record of `events` that this process wrote, once the broker answered."""

    async def start(self) -> None:
        """Connect; raises BrokerUnreachableError."""
        await connect(self._producer, self._address.bootstrap)

    async def stop(self) -> None:
        """Flush what is under way and close."""
        await self._producer.stop()

    async def event(self, record: Record) -> "asyncio.Future[RecordMetadata]":
        """Send to `events`, on the partition of its run; the future ends with the acknowledgement."""
        sent = await self.keyed(self.topics.events, record)
        if self.acknowledged_event:
            sent.add_done_callback(partial(self.acknowledged_event, record))
        return sent

    async def keyed(self, topic: str, record: Record) -> "asyncio.Future[RecordMetadata]":
        """Send to a log topic on the partition of the record's run."""
        return await self.send(topic, record, record.run_id, partition_of(record.run_id, self.log_partitions))

    async def send(
        self, topic: str, record: Record, key: str | None, partition: int | None = None
    ) -> "asyncio.Future[RecordMetadata]":
        """Send a record; see `raw`."""
        return await self.raw(topic, encode(record), key, partition, headers(record, self.source))

    async def raw(
        self,
        topic: str,
        value: bytes | None,
        key: str | None,
        partition: int | None = None,
        sent_headers: list[tuple[str, bytes]] | None = None,
    ) -> "asyncio.Future[RecordMetadata]":
        """Send bytes, or with None a tombstone.

        Raises RecordTooLargeError, ProducerFatalError or AppendUnknownError at once, otherwise ask the future.
        """
        encoded_key = key.encode() if key is not None else None
        try:
            sent = await self._producer.send(
                topic, value, key=encoded_key, partition=partition, headers=sent_headers or []
            )
        except KafkaError as error:
            raise self._mapped(error) from error
        sent.add_done_callback(self._look)
        return sent  # type: ignore[no-any-return]  # aiokafka is untyped

    async def acknowledged(self, sent: "asyncio.Future[RecordMetadata]", timeout_s: float) -> RecordMetadata:
        """Wait for the acknowledgement; raises AppendUnknownError after `timeout_s` or a broker error."""
        try:
            # Not wait_for: until Python 3.12 it swallows a cancellation that comes together with the answer.
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(sent)
        except TimeoutError as error:
            raise AppendUnknownError(f"no acknowledgement within {timeout_s:g} s") from error
        except KafkaError as error:
            raise self._mapped(error) from error

    def _look(self, sent: "asyncio.Future[RecordMetadata]") -> None:
        error = None if sent.cancelled() else sent.exception()
        if error is not None and _can_never_write_again(error):
            self._mapped(error)

    def _mapped(self, error: BaseException) -> KafkaProblem:
        if isinstance(error, MessageSizeTooLargeError):
            return RecordTooLargeError(f"a record is larger than the limit: {error}")
        if _can_never_write_again(error):
            fatal = ProducerFatalError(f"the producer failed for good: {type(error).__name__}")
            self._on_fatal(fatal)
            return fatal
        return AppendUnknownError(f"the broker did not take the record: {type(error).__name__}")


def _can_never_write_again(error: BaseException) -> bool:
    """The broker refused a batch for good, and the numbers of its records are missing for ever; or aiokafka's sender
    died, which it tells by a KafkaError of no kind."""
    refused = isinstance(error, BrokerResponseError) and not error.retriable
    too_large = isinstance(error, MessageSizeTooLargeError)
    return isinstance(error, ProducerFenced) or type(error) is KafkaError or (refused and not too_large)
