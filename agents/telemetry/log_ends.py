"""Where the topics end, as the broker says: how far behind we are, and what lies unreadable."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.events.topics import Topics

log = structlog.get_logger(__name__)

FRESH_S = 2.0
WITHIN_S = 3.0


class LogEnds:
    """Asks the broker when `refresh` is called, at most every FRESH_S seconds; keeps what it heard last.

    `up` says whether the broker answered, `ends` the end offset of each partition of the log, `dead_letters` how
    many stand on their topic.
    """

    def __init__(
        self,
        address: KafkaAddress,
        topics: Topics,
        partitions: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.up = False
        self.ends: dict[int, int] = {}
        self.dead_letters: int | None = None
        self._address = address
        self._log = [TopicPartition(topics.events, partition) for partition in range(partitions)]
        self._letters = TopicPartition(topics.dead_letters, 0)
        self._clock = clock
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._consumer: Any = None

    async def refresh(self) -> None:
        """Ask, unless that was done a moment ago; never raises: `up` tells."""
        async with self._asking:
            if self._clock() - self._asked_at < FRESH_S:
                return
            try:
                async with asyncio.timeout(WITHIN_S):
                    await self._ask()
                self.up = True
            except (KafkaError, KafkaProblem, TimeoutError, OSError) as error:
                self.up = False
                log.debug("the ends of the topics are not known", error=repr(error))
            self._asked_at = self._clock()

    async def stop(self) -> None:
        """Release the connection."""
        if self._consumer is not None:
            await self._consumer.stop()

    def lag(self, positions: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Records between each (partition, next offset) and the end of that partition."""
        return {
            partition: max(0, self.ends[partition] - position)
            for partition, position in positions
            if partition in self.ends
        }

    async def _ask(self) -> None:
        consumer = await self._connected()
        ends = await consumer.end_offsets([*self._log, self._letters])
        begins = await consumer.beginning_offsets([self._letters])
        self.ends = {tp.partition: ends[tp] for tp in self._log}
        self.dead_letters = ends[self._letters] - begins[self._letters]

    async def _connected(self) -> Any:
        if self._consumer is None:
            consumer = self._address.consumer()
            try:
                await connect(consumer, self._address.bootstrap)
            except BaseException:  # out of time too
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer
