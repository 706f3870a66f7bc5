"""The broker is gone: what is told to end does so all the same, and in bounded time."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from aiokafka.errors import KafkaTimeoutError
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.producer import CLOSE_S, FLUSH_S
from elexirion.agents.worker.process import END_S

from tests.chaos.broker import OwnBroker
from tests.e2e.cluster import Cluster, run_id
from tests.e2e.test_supervised_runs import waiting

DRAIN_S = 1.0

pytestmark = pytest.mark.quiet  # they measure time


@pytest.fixture
def abandoned(
    broker: OwnBroker, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster whose broker may go; it is there again afterwards."""
    with Cluster(broker.bootstrap, tmp_path_factory.mktemp("outage"), providers) as cluster:
        yield cluster
    broker.start()


async def test_a_producer_that_is_stopped_while_the_broker_is_silent_tells_what_was_not_written(
    abandoned: Cluster, broker: OwnBroker
) -> None:
    producer = KafkaAddress(broker.bootstrap).producer()
    await producer.start()
    topic = abandoned.topics.workers
    await producer.send_and_wait(topic, b"there", key=b"w", partition=0)
    broker.freeze()
    try:
        sent = await producer.send(topic, b"gone", key=b"w", partition=0)
        began = time.monotonic()
        await producer.stop()
        assert time.monotonic() - began <= FLUSH_S + 3 * CLOSE_S
    finally:
        broker.thaw()
    assert isinstance(sent.exception(), KafkaTimeoutError)


async def test_a_worker_that_is_told_to_end_while_the_broker_is_away_ends_soon(
    abandoned: Cluster, broker: OwnBroker
) -> None:
    async with abandoned.tape() as tape, abandoned.publisher() as publisher:
        worker = abandoned.start("only", ELEXIRION_DRAIN_S=str(DRAIN_S))
        await abandoned.ready(tape, worker)
        await abandoned.deciding(tape)
        run = run_id("held")
        await publisher.start(run, waiting(60_000))
        await tape.event(run, "StepStarted")
    broker.kill()
    worker.signal(signal.SIGTERM)
    began = time.monotonic()
    assert await worker.ended(60) == 0, worker.last_lines()
    assert time.monotonic() - began <= DRAIN_S + END_S + 2, worker.last_lines()
