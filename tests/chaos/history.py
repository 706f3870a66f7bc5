"""The whole history of a prefix, read from the broker once nothing is under way, for the history checker."""

from __future__ import annotations

from typing import Any

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import broker_time, partition_count, scan
from elexirion.events.topics import Topics
from elexirion.projections.history.checker import Findings, examine
from elexirion.projections.history.records import Call, History, Written

from tests.stub.client import StubCall


async def examined(bootstrap: str, topics: Topics, calls: list[StubCall] | None = None) -> Findings:
    """What the checker finds in all that the prefix's topics say, held against the provider's ledger.

    Every command has its outcome by now and every run its end: what is open is a violation.
    """
    address = KafkaAddress(bootstrap)
    names = (topics.events, topics.commands, topics.chunks, topics.dead_letters)
    events, commands, chunks, letters = [await _read(address, name) for name in names]
    made = None if calls is None else [Call(call.asked.call_id or "", call.asked.provider) for call in calls]
    return examine(History(events, commands, chunks, letters, made, at_rest=True))


async def _read(address: KafkaAddress, topic: str) -> list[Written]:
    partitions = range(await partition_count(address, topic))
    return [_written(message) async for message in scan(address, topic, partitions)]


def _written(message: Any) -> Written:
    author = dict(message.headers).get("ce_source", b"").decode() or None
    return Written(
        message.topic, message.partition, message.offset, broker_time(message), message.value, message.key, author
    )
