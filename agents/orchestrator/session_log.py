"""Shared sessions as the log tells them: from the fold of this process, else read on from where it was left."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import KafkaError
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import PartitionReader
from elexirion.agents.orchestrator.follow import follow
from elexirion.agents.orchestrator.partitions import Owned, deciding
from elexirion.events.partitioner import partition_of
from elexirion.events.session import TurnsSaid
from elexirion.projections.partition import PartitionFold

FOLLOWED = 200
"""So many sessions of other partitions are kept folded; the next one costs reading its partition from the beginning."""


class SessionUnreadableError(Exception):
    """The log of a session cannot be read now; says why."""


class SessionLog:
    """Answers for any session run; `partitions` is the count of `events`, `reader` reads what is not owned."""

    def __init__(self, reader: PartitionReader, partitions: int) -> None:
        self._reader = reader
        self._partitions = partitions
        self._owned: Mapping[int, Owned] = {}
        self._followed: OrderedDict[str, PartitionFold] = OrderedDict()
        self._one_reading = asyncio.Lock()

    def look_first_in(self, owned: Mapping[int, Owned]) -> None:
        """Partitions that this process folds anyway."""
        self._owned = owned

    async def stop(self) -> None:
        """End the connection."""
        await self._reader.stop()

    async def told(self, run_id: str) -> tuple[TurnsSaid, ...]:
        """What the session holds, oldest first; nothing before it begins. Raises SessionUnreadableError."""
        state = (await self._fold(run_id)).runs.get(run_id)
        return state.shared_turns if state else ()

    async def decided(self, run_id: str, command_id: str) -> bool:
        """Whether a command to the session has its outcome. Raises SessionUnreadableError."""
        return (await self._fold(run_id)).decided(command_id)

    async def _fold(self, run_id: str) -> PartitionFold:
        partition = partition_of(run_id, self._partitions)
        owned = deciding(self._owned, partition)
        if owned is not None:
            return owned.fold
        async with self._one_reading:
            fold = self._followed.setdefault(run_id, PartitionFold(partition))
            self._followed.move_to_end(run_id)
            await self._read_on(fold, run_id.encode())
            while len(self._followed) > FOLLOWED:
                self._followed.popitem(last=False)
        return fold

    async def _read_on(self, fold: PartitionFold, key: bytes) -> None:
        """Fold the session's own records, from after the last one that was looked at."""

        def take(message: Any) -> None:
            if message.key == key:
                follow(fold, message)
            fold.next_offset = message.offset + 1

        try:
            await self._reader.read(fold.partition, fold.next_offset, take)
        except (KafkaError, KafkaProblem) as error:
            raise SessionUnreadableError(str(error) or type(error).__name__) from error
