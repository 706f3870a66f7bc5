"""Reading `events`: which partitions this orchestrator owns, and their folds.

The group's assignment is a hint about who decides; correctness comes from the fold alone. Positions are our own:
a partition is read from where its fold stands, never from a committed offset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.events.topics import Topics
from elexirion.projections.partition import PartitionFold

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Owned:
    """A partition this orchestrator decides for; `target` is the end of the log when it was gained."""

    fold: PartitionFold
    target: int | None = None
    caught_up: bool = False


@dataclass(slots=True)
class Change:
    """Partitions gained and lost since the last look."""

    gained: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)


class Partitions(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """A group consumer over `events` with manual positions."""

    def __init__(self, address: KafkaAddress, topics: Topics, session_timeout_s: float) -> None:
        self.owned: dict[int, Owned] = {}
        self._folds: dict[int, PartitionFold] = {}
        self._topic = topics.events
        self._address = address
        self._change = Change()
        self._consumer: AIOKafkaConsumer = address.consumer(
            group=topics.orchestrators_group, session_timeout_ms=int(session_timeout_s * 1000),
            heartbeat_interval_ms=int(session_timeout_s * 250), rebalance_timeout_ms=10_000,
        )  # fmt: skip

    async def start(self) -> None:
        """Join the group."""
        self._consumer.subscribe([self._topic], listener=self)
        await connect(self._consumer, self._address.bootstrap)

    async def stop(self) -> None:
        """Leave the group; others take over at once."""
        await self._consumer.stop()

    # aiokafka awaits the listener where it is a coroutine, as its documentation says and its signature does not.
    async def on_partitions_revoked(self, revoked: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """No more decisions for these; their folds stay and are read on if they come back."""
        for tp in revoked:
            if self.owned.pop(tp.partition, None):
                self._change.lost.add(tp.partition)

    async def on_partitions_assigned(self, assigned: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read each from where its fold stands; decide once its present end is reached."""
        for tp in assigned:
            known = self._folds.setdefault(tp.partition, PartitionFold(tp.partition))
            self._consumer.seek(tp, known.next_offset)
            self.owned[tp.partition] = Owned(known)
            self._change.gained.add(tp.partition)

    def changes(self) -> Change:
        """What changed since the last call."""
        change, self._change = self._change, Change()
        return change

    async def read(self, timeout_ms: int) -> dict[int, list[Any]]:
        """New messages by partition; raises KafkaProblem where the log was truncated below our position."""
        await self._set_targets()
        try:
            batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=2000)
        except OffsetOutOfRangeError as error:
            raise KafkaProblem(
                f"the log was truncated below our position: {error.args}.",
                "Records of runs are gone; restore the topic, or start with an empty one under another prefix.",
            ) from error
        return {tp.partition: messages for tp, messages in batches.items() if tp.partition in self.owned}

    def caught_up_now(self) -> list[int]:
        """Partitions whose folds have just reached the end as it was when they were gained."""
        reached = [
            partition
            for partition, owned in self.owned.items()
            if not owned.caught_up and owned.target is not None and owned.fold.next_offset >= owned.target
        ]
        for partition in reached:
            self.owned[partition].caught_up = True
        return reached

    async def _set_targets(self) -> None:
        unknown = [partition for partition, owned in self.owned.items() if owned.target is None]
        if not unknown:
            return
        ends = await self._consumer.end_offsets([TopicPartition(self._topic, p) for p in unknown])
        for tp, end in ends.items():
            if tp.partition in self.owned:
                self.owned[tp.partition].target = end


def deciding(owned: Mapping[int, Owned], partition: int) -> Owned | None:
    """The partition, where we own it and have read it to its end."""
    known = owned.get(partition)
    return known if known and known.caught_up else None
