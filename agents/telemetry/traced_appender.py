"""An appender whose records carry their trace: a consumer of any topic can go on in it."""

import asyncio

from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.telemetry import trace_context
from elexirion.events.codec import encode, headers
from elexirion.events.envelope import Record


class TracedAppender(Appender):
    """Adds the header `traceparent` to every record of a run."""

    async def send(
        self, topic: str, record: Record, key: str | None, partition: int | None = None
    ) -> "asyncio.Future[RecordMetadata]":
        """Send a record; see `raw`."""
        context = trace_context.of_record(record)
        traced = [(trace_context.HEADER, str(context).encode())] if context else []
        return await self.raw(topic, encode(record), key, partition, [*headers(record, self.source), *traced])
