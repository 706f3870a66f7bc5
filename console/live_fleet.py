"""Which workers live now, by their heartbeats of the last seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Self

from aiokafka import TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import open_reader
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.topics import Topics
from elexirion.events.worker import LaneOffer, WorkerHeartbeat, WorkerLeft

RECENT_S = 3.0


class LiveFleet:
    """Reads the `workers` topic from a few seconds ago on; use as an async context manager."""

    def __init__(self, address: KafkaAddress, topics: Topics) -> None:
        self._address = address
        self._tp = TopicPartition(topics.workers, 0)
        self._members: dict[str, WorkerHeartbeat] = {}
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        """Connect and read what was said in the last seconds; raises KafkaProblem."""
        self._consumer = await open_reader(self._address, self._tp.topic, [0])
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        since = int((time.time() - RECENT_S) * 1000)
        found = (await self._consumer.offsets_for_times({self._tp: since}))[self._tp]
        self._consumer.seek(self._tp, min(end, found.offset) if found else end)
        while await self._consumer.position(self._tp) < end:
            await self.listen(1.0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def listen(self, seconds: float) -> None:
        """Take in what comes next, at most `seconds` later."""
        for messages in (await self._consumer.getmany(timeout_ms=int(seconds * 1000))).values():
            for message in messages:
                self._take(message.value)

    def _take(self, value: bytes | None) -> None:
        try:
            data = decode(value).data
        except UndecodableError:
            return
        match data:
            case WorkerHeartbeat():
                self._members[data.incarnation] = data
            case WorkerLeft():
                self._members.pop(data.incarnation, None)
            case _:
                return

    def serves(self, lanes: Iterable[str]) -> bool:
        """Whether somebody decides and each of the lanes is read by somebody."""
        deciding = any("orchestrator" in member.roles for member in self._live())
        return deciding and all(any(offer.partitions for offer in self.offers(lane)) for lane in lanes)

    def offers(self, lane: str) -> list[LaneOffer]:
        """What the living offer for a lane."""
        return [offer for member in self._live() for offer in member.lanes if offer.lane == lane]

    def _live(self) -> list[WorkerHeartbeat]:
        return [member for member in self._members.values() if not member.draining]
