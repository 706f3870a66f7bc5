"""The broker is killed and started again: how soon the first record is acknowledged once it answers.

`ELEXIRION_RECOVERY_ROUNDS` says how often it is killed (2 if unset), always under the same workers.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress

from tests.chaos.broker import OwnBroker
from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.e2e.test_supervised_runs import waiting

ROUNDS = int(os.environ.get("ELEXIRION_RECOVERY_ROUNDS") or "2")
BOUND_S = 5.0

pytestmark = [pytest.mark.timeout(60 * ROUNDS + 120), pytest.mark.quiet]


@pytest.fixture
def lasting(
    broker: OwnBroker, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    with Cluster(broker.bootstrap, tmp_path_factory.mktemp("lasting"), providers) as cluster:
        yield cluster
    broker.start()


async def test_what_waited_for_the_broker_is_written_soon_after_it_is_back(lasting: Cluster, broker: OwnBroker) -> None:
    async with lasting.tape() as tape, lasting.publisher() as publisher:
        await lasting.ready(tape, lasting.start("one"), lasting.start("two"))
        await lasting.deciding(tape)
        took = [await _round(lasting, broker, tape, publisher) for _ in range(ROUNDS)]
        assert all(worker.alive for worker in lasting.workers.values())
    told = ", ".join(f"{seconds:.2f}" for seconds in sorted(took))
    print(f"broker back to the first acknowledged append, {ROUNDS} kills, seconds: {told}")
    assert max(took) <= BOUND_S, told


async def _round(cluster: Cluster, broker: OwnBroker, tape: Tape, publisher: Publisher) -> float:
    """A step ends while the broker is away; gives how long after its return the report is there."""
    run = run_id("round")
    await publisher.start(run, waiting(1000))
    started = await tape.event(run, "StepStarted")
    await asyncio.to_thread(broker.kill)
    await asyncio.sleep(1.5)  # the step ends
    await asyncio.to_thread(broker.start)
    back = time.monotonic()
    seconds = await _first_after(cluster, started.partition, started.offset) - back
    await tape.completed(run, 60)
    return seconds


async def _first_after(cluster: Cluster, partition: int, offset: int) -> float:
    """When a record behind this one is there, as a consumer sees that comes anew: it waits for no reconnection."""
    consumer, at = KafkaAddress(cluster.bootstrap).consumer(), TopicPartition(cluster.topics.events, partition)
    await consumer.start()
    try:
        consumer.assign([at])
        consumer.seek(at, offset + 1)
        async with asyncio.timeout(60):
            await consumer.getone(at)
        return time.monotonic()
    finally:
        await consumer.stop()
