"""An orchestrator that starts reads snapshots and the end of the log, and never goes on over another log."""

import asyncio

from aiokafka.admin import NewTopic
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.orchestrator.snapshot_topic import read_snapshots
from elexirion.events.partitioner import partition_of

from tests.e2e.cluster import NO_LANE, READY_WITHIN_S, Cluster, run_id

SLEEPING = """\
name: sleeping
steps:
  - {name: nap, type: delay, seconds: 15}
  - {name: answer, type: set_variable, variables: {answer: 42}, needs: [nap]}
"""
OFTEN = {"ELEXIRION_SNAPSHOT_RECORDS": "1", "ELEXIRION_SNAPSHOT_S": "0.1"}


async def snapshot_with(cluster: Cluster, sleeping: str) -> None:
    """Wait until a snapshot of the run's partition holds the run, asleep."""
    partition = partition_of(sleeping, 8)
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            found = await read_snapshots(KafkaAddress(cluster.bootstrap), cluster.topics.snapshots, [partition])
            newest = found[partition].newest(partition)
            if newest and sleeping in newest.fold.runs and newest.fold.runs[sleeping].steps["nap"].due_at:
                return
            await asyncio.sleep(0.2)


async def asleep(cluster: Cluster) -> str:
    """A run that sleeps and stands in a snapshot; its worker is killed."""
    sleeping = run_id("sleeping")
    async with cluster.tape() as tape:
        worker = cluster.start("first", **OFTEN)
        await cluster.ready(tape, worker)
        async with cluster.publisher() as publisher:
            await publisher.start(sleeping, SLEEPING)
            await publisher.start(run_id("before"), NO_LANE)
        await snapshot_with(cluster, sleeping)
        worker.kill()
    return sleeping


async def test_an_orchestrator_goes_on_from_the_snapshot_of_one_that_was_killed(cluster: Cluster) -> None:
    sleeping = await asleep(cluster)
    async with cluster.tape() as tape:
        worker = cluster.start("second", **OFTEN)
        await tape.completed(sleeping, READY_WITHIN_S)
        assert "snapshot restored" in worker.log.read_text()


async def test_a_log_that_was_made_anew_below_a_snapshot_is_refused(cluster: Cluster) -> None:
    await asleep(cluster)
    admin = KafkaAddress(cluster.bootstrap).admin()
    await admin.start()
    try:
        await admin.delete_topics([cluster.topics.events])
        async with asyncio.timeout(30):
            while cluster.topics.events in await admin.list_topics():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await admin.create_topics([NewTopic(cluster.topics.events, 8, 1)])
    finally:
        await admin.close()
    worker = cluster.start("second", **OFTEN)
    assert await worker.ended(READY_WITHIN_S) != 0
    assert "Records of runs are gone" in worker.log.read_text()
