"""Forwarding commands while partitions move to others."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.util import commit_structure_validate
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.orchestrator.forwarder import Forwarder
from elexirion.events.codec import encode
from elexirion.events.commands import CancelRun
from elexirion.events.envelope import make_record
from elexirion.events.topics import Topics

from tests.projections.partition_log import START

TP = TopicPartition("elexirion.commands", 2)


class Broker:
    """One command stands on each of two partitions; `assigned` are ours when it comes to committing."""

    def __init__(self, *assigned: TopicPartition) -> None:
        self.topics, self.assigned = Topics(), set(assigned)
        self.forwarded: list[str] = []
        self.committed: list[dict[TopicPartition, int]] = []
        self.read = asyncio.Event()

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Any]]:
        if self.read.is_set():
            await asyncio.Event().wait()
        self.read.set()
        return {tp: [command(tp)] for tp in (TP, TP._replace(partition=3))}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        commit_structure_validate(offsets)
        self.committed.append(offsets)

    async def event(self, record: Any) -> Any:
        self.forwarded.append(record.raw["command_id"])

    async def acknowledged(self, *_: Any) -> None: ...


def command(tp: TopicPartition) -> Any:
    record = make_record(CancelRun(), id=f"cancel-{tp.partition}", run_id="run-1", at=START)
    return SimpleNamespace(
        topic=tp.topic, partition=tp.partition, offset=7, timestamp=int(START.timestamp() * 1000), headers=(),
        key=b"run-1", value=encode(record),
    )  # fmt: skip


async def forwarded(broker: Broker) -> "asyncio.Task[None]":
    address = cast(KafkaAddress, SimpleNamespace(consumer=lambda *_, **__: broker))
    forwarder = Forwarder(address, cast(Appender, broker), 6.0, 1_000_000)
    running = asyncio.create_task(forwarder.run())
    await broker.read.wait()
    await asyncio.sleep(0.01)
    return running


async def test_what_still_is_ours_is_committed() -> None:
    broker = Broker(TP)
    running = await forwarded(broker)
    assert broker.forwarded == ["cancel-2", "cancel-3"]
    assert broker.committed == [{TP: 8}]
    running.cancel()


async def test_a_forwarder_goes_on_that_lost_all_of_its_partitions_meanwhile() -> None:
    broker = Broker()
    running = await forwarded(broker)
    assert broker.forwarded == ["cancel-2", "cancel-3"]
    assert (running.done(), broker.committed) == (False, [])
    running.cancel()
