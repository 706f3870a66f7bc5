"""Setting aside what cannot be read."""

import asyncio

import structlog
from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.events.dead_letter import DeadLetter

log = structlog.get_logger(__name__)


async def send_letter(appender: Appender, letter: DeadLetter) -> "asyncio.Future[RecordMetadata]":
    """Append to `dead-letters` under the record's own key; raises KafkaProblem."""
    key = (letter.key or b"").decode(errors="replace") or None
    return await appender.raw(appender.topics.dead_letters, letter.encode(), key, 0)


async def bury(appender: Appender, letter: DeadLetter) -> None:
    """Append, or say that it could not be: the record itself still stands on its topic, and the next one is read."""
    try:
        await send_letter(appender, letter)
    except KafkaProblem as problem:
        log.error("a dead letter was not written", topic=letter.topic, partition=letter.partition,
                  offset=letter.offset, problem=str(problem))  # fmt: skip
