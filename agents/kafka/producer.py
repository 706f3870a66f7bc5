"""The producer of a process: what it took stays with it until the broker has it, and it ends in bounded time.

aiokafka gives up a batch whose partition has no known leader once it is older than `request_timeout_ms`, after it gave
the batch its numbers. The next batch of the partition is then refused for the hole (OutOfOrderSequenceNumber), and the
producer can never write there again. A broker that was away for longer and is starting tells of no leader for a moment:
so each outage of more than ten seconds ended processes (docs/adr/0020-a-batch-outlives-an-outage.md).
"""

import asyncio
import math
import time
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError
from aiokafka.structs import RecordMetadata

FLUSH_S = 3.0
"""How long a producer that is stopped waits for what is under way."""
CLOSE_S = 1.0
"""How long each part of it may take to end after that."""
CREATED = 0
"""The type of a timestamp that the producer gave, and not the broker."""


class LastingProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka is untyped
    """An idempotent producer without a time to live for batches, for topics that get more partitions."""

    _closed: bool | None

    def __init__(self, **settings: Any) -> None:
        super().__init__(enable_idempotence=True, acks="all", **settings)
        self._message_accumulator._batch_ttl = math.inf

    async def send(
        self, topic: str, value: Any = None, key: Any = None, partition: int | None = None, timestamp_ms: Any = None,
        headers: Any = None,
    ) -> Any:  # fmt: skip
        """As that of aiokafka; raises UnknownTopicOrPartitionError where the broker does not know the partition yet."""
        if partition is not None and partition not in await self.partitions_for(topic):
            await self.client.force_metadata_update()
            if partition not in await self.partitions_for(topic):
                raise UnknownTopicOrPartitionError(f"{topic} has no partition {partition}")
        at_ms = timestamp_ms if timestamp_ms is not None else time.time_ns() // 1_000_000
        sent = await super().send(topic, value, key, partition, at_ms, headers)
        placed: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        sent.add_done_callback(partial(_place, placed, at_ms))
        return placed

    async def stop(self) -> None:
        """Flush what is under way, at most FLUSH_S long, and close; what is left then fails with KafkaTimeoutError.

        That of aiokafka waits for a broker that is away for as long as it takes.
        """
        if self._closed:
            return
        self._closed = True
        sender = self._sender.sender_task
        if sender is not None:
            flushing = asyncio.create_task(self._message_accumulator.close(), name="flush")
            await asyncio.wait({flushing, sender}, timeout=FLUSH_S, return_when=asyncio.FIRST_COMPLETED)
            await _ended(flushing)
            await _ended(sender)
            self._message_accumulator.fail_all(KafkaTimeoutError("the producer was stopped before the broker had it"))
        await _ended(asyncio.create_task(self.client.close(), name="close"), patience_s=CLOSE_S)


def _place(placed: "asyncio.Future[RecordMetadata]", at_ms: int, sent: "asyncio.Future[RecordMetadata]") -> None:
    """Where and when the broker has the record; aiokafka tells the time of the first of its batch for all of them."""
    if sent.cancelled():
        placed.cancel()
    elif placed.done():
        sent.exception()  # looked at: nobody waits for it any more
    elif (error := sent.exception()) is not None:
        placed.set_exception(error)
    else:
        place = sent.result()
        placed.set_result(place._replace(timestamp=at_ms) if place.timestamp_type == CREATED else place)


async def _ended(task: "asyncio.Task[Any]", patience_s: float = 0.0) -> None:
    """Wait for it, then cancel it; a sender that is cancelled waits for its requests, cancelled again it does not."""
    await asyncio.wait({task}, timeout=patience_s)
    for _ in range(2):
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_S)
    if task.done() and not task.cancelled():
        task.exception()  # looked at: it has been told to whoever sent what it was about
