"""Writing snapshots while partitions come and go."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from elexirion.agents.kafka.appender import Appender
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.orchestrator.snapshot_writer import SnapshotWriter
from elexirion.events.topics import Topics
from elexirion.projections.partition import PartitionFold

from tests.projections.partition_log import PartitionLog


class Topic:
    """Takes what is written; `written` are the keys, `meanwhile` happens with each."""

    def __init__(self) -> None:
        self.topics, self.log_partitions = Topics(), 8
        self.written: list[tuple[int | None, str]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    async def raw(self, topic: str, value: bytes | None, key: str, partition: int | None = None) -> Any:
        self.written.append((partition, key))
        self.meanwhile()
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent

    async def acknowledged(self, sent: Any, timeout_s: float) -> Any:
        return await sent


def owned(records: int) -> Owned:
    log = PartitionLog()
    for number in range(records // 2):
        log.start("a", run_id=f"run-{number}", command_id=f"start-{number}")
    return Owned(log.fold, caught_up=True)


def writer(topic: Topic, partitions: dict[int, Owned], records: int = 10) -> SnapshotWriter:
    return SnapshotWriter(cast(Appender, topic), partitions, records, seconds=1e9)


async def test_a_partition_that_is_lost_while_another_is_written_is_left_out() -> None:
    topic, partitions = Topic(), {1: owned(4), 2: owned(4)}
    topic.meanwhile = lambda: partitions.pop(2, None)
    await writer(topic, partitions).look()
    assert {partition for partition, _ in topic.written} == {1}


async def test_who_starts_now_reads_what_came_after_the_newest_snapshot() -> None:
    topic, partitions = Topic(), {1: owned(4)}
    writing = writer(topic, partitions)
    assert partitions[1].unsaved == 4
    await writing.look()
    assert (partitions[1].unsaved, writing.left(1)) == (0, 10)
    partitions[1].fold.next_offset += 9
    before = len(topic.written)
    await writing.look()
    assert (partitions[1].unsaved, writing.left(1)) == (9, 1)
    assert len(topic.written) == before
    partitions[1].fold.next_offset += 1
    await writing.look()
    assert partitions[1].unsaved == 0


async def test_a_partition_that_is_not_read_to_its_end_gets_no_snapshot() -> None:
    topic, partitions = Topic(), {1: Owned(PartitionFold(1), caught_up=False)}
    await writer(topic, partitions).look()
    assert topic.written == []
