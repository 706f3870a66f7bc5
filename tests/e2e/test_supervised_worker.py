"""`elexirion worker --supervise` on a real broker: a worker that dies serves again, and SIGTERM drains it."""

from __future__ import annotations

import asyncio
import signal
import time

import psutil
import pytest
from aiokafka.producer.transaction_manager import PidAndEpoch
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.events.codec import encode
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.worker import WorkerLeft

from tests.e2e.cluster import NO_LANE, Cluster, run_id


async def test_a_supervised_worker_that_is_killed_serves_again(cluster: Cluster) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        parent = cluster.start("kept", more=("--supervise",))
        await cluster.ready(tape, parent)
        first = tape.heartbeats()["kept"].incarnation

        [worker] = psutil.Process(parent.process.pid).children()
        worker.kill()
        await tape.until(
            lambda: (beat := tape.heartbeats()["kept"]).incarnation != first and beat.lanes[0].partitions,
            60, "another incarnation beats",
        )  # fmt: skip
        run = run_id("again")
        await publisher.start(run, NO_LANE)
        await tape.completed(run, 60)

        parent.signal(signal.SIGTERM)
        assert await parent.ended(60) == 0, parent.last_lines()
        assert not [seen for seen in tape.workers if seen.record.type == "WorkerLeft" and first in seen.record.id]
        await tape.until(lambda: [s for s in tape.workers if s.record.type == "WorkerLeft"], 10, "it says farewell")


@pytest.mark.quiet
async def test_a_worker_whose_producer_is_fenced_ends_within_5_s_and_another_is_started(cluster: Cluster) -> None:
    async with cluster.tape() as tape:
        parent = cluster.start("fenced", more=("--supervise",), ELEXIRION_HEARTBEAT_INTERVAL_S="0.5")
        await cluster.ready(tape, parent)
        first = tape.heartbeats()["fenced"].incarnation
        [worker] = psutil.Process(parent.process.pid).children()

        await _fence(cluster)
        fenced = time.monotonic()
        await asyncio.to_thread(worker.wait, 30)
        took = time.monotonic() - fenced
        print(f"producer fenced to the end of its process: {took:.1f} s")
        assert took <= 0.5 + 5
        assert "ProducerFenced" in parent.log.read_text()
        await tape.until(
            lambda: (beat := tape.heartbeats()["fenced"]).incarnation != first and beat.lanes[0].partitions,
            60, "another incarnation beats",
        )  # fmt: skip
        assert parent.alive


async def _fence(cluster: Cluster) -> None:
    """Write on the workers' topic as a later epoch of every producer of late: the broker then refuses the earlier one.

    Ids of producers are numbers in a row, and the broker keeps epochs by partition: nobody else's is touched.
    """
    address, recent = KafkaAddress(cluster.bootstrap), 8
    left = WorkerLeft(worker_id="nobody", incarnation="nobody.1")
    value = encode(make_record(left, id="nobody.1/left", run_id="nobody", at=utc_now()))
    for back in range(recent):
        rogue = address.producer()
        await rogue.start()
        identity = rogue._txn_manager
        earlier = max(identity.producer_id - 1 - 2 * back, 0)
        identity._pid_and_epoch = PidAndEpoch(earlier, identity.producer_epoch + 1)
        await rogue.send_and_wait(cluster.topics.workers, value, key=b"nobody", partition=0)
        await rogue.stop()
