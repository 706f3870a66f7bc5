"""A long step goes on through rebalances of its lane: the provider is asked once."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

REBALANCES = 10
STEP_S = 30.0
PIECES = tuple(f"piece {number} " for number in range(1, 61))
ASKING = 'name: long\nsteps: [{name: ask, type: claude, prompt: [{type: static, content: "Tell me slowly."}]}]\n'


def _moves(tape: Tape, name: str) -> int:
    """How often the partitions that the worker reads on the claude lane changed."""
    beats = [seen.record.data for seen in tape.workers if seen.record.type == "WorkerHeartbeat"]
    read = [o.partitions for b in beats if b.worker_id == name for o in b.lanes if o.lane == "claude" and o.partitions]  # type: ignore[union-attr]
    return sum(before != after for before, after in pairwise(read))


@pytest.mark.timeout(300)
async def test_a_long_step_is_asked_once_through_ten_rebalances(cluster: Cluster, stub: StubServer) -> None:
    stub.script(Rule(answer=Answer(chunks=PIECES, delay_chunk_s=STEP_S / len(PIECES), hold_before_chunk=len(PIECES))))
    run = run_id("rebalances")
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("stays"))
        await cluster.deciding(tape)
        await publisher.start(run, ASKING)
        await tape.until(lambda: tape.chunks_of(run), 60, "the answer begins")
        begun = _moves(tape, "stays")
        while (moved := _moves(tape, "stays") - begun) < REBALANCES:
            guest = cluster.start("guest", roles="lanes", lanes="claude")
            await tape.until(lambda moved=moved: _moves(tape, "stays") - begun > moved, 60, "the guest joins")
            joined = _moves(tape, "stays")
            guest.process.terminate()
            await guest.ended(60)
            await tape.until(lambda joined=joined: _moves(tape, "stays") > joined, 60, "the guest left")
        await asyncio.to_thread(stub.release)
        await tape.completed(run, 60)
    [call] = stub.calls()
    assert call.rows[-1].at - call.asked.at >= STEP_S
    assert [seen.record.raw["incarnation"] for seen in tape.named(run, "StepScheduled")] == [
        tape.heartbeats()["stays"].incarnation
    ]
