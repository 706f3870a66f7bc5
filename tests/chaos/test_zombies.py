"""A process is frozen for twice its lease and comes back: what it says late is refused, and it gives up by itself."""

from __future__ import annotations

import asyncio
import signal

import pytest
from elexirion.projections.context import context_hash

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

LEASE_S = 4.0
SETTINGS = {"ELEXIRION_LEASE_S": str(LEASE_S), "ELEXIRION_LEASE_MARGIN_S": "1"}
PIECES = tuple(f"piece {number} " for number in range(1, 41))
ASKING = 'name: asking\nsteps: [{name: ask, type: claude, prompt: [{type: static, content: "Tell me."}]}]\n'
FIRST = Rule(nth=1, answer=Answer(chunks=PIECES, delay_chunk_s=0.2))
LATER = Rule(answer=Answer(chunks=PIECES))


async def _begun(cluster: Cluster, tape: Tape, run: str) -> tuple[str, str]:
    """The worker ids that execute and decide the run, which is in the middle of its answer."""
    deciding = [cluster.start(f"orchestrator-{n}", roles="orchestrator", **SETTINGS) for n in (1, 2)]
    executing = [cluster.start(f"worker-{n}", roles="lanes", lanes="claude,local", **SETTINGS) for n in (1, 2)]
    await cluster.ready(tape, *deciding, *executing)
    await cluster.deciding(tape)
    async with cluster.publisher() as publisher:
        await publisher.start(run, ASKING)
    await tape.until(lambda: len(tape.chunks_of(run)) >= 3, 60, "three chunks")
    scheduled = tape.named(run, "StepScheduled")[-1]
    return scheduled.record.raw["incarnation"].rpartition(".")[0], scheduled.author.rpartition(".")[0]


@pytest.mark.timeout(240)
async def test_a_worker_that_comes_back_after_its_lease_changes_nothing(cluster: Cluster, stub: StubServer) -> None:
    stub.script(FIRST, LATER)
    run = run_id("zombie")
    async with cluster.tape() as tape:
        name, _ = await _begun(cluster, tape, run)
        zombie = cluster.workers[name]
        beat = tape.heartbeats()[name]
        zombie.signal(signal.SIGSTOP)
        await asyncio.sleep(2 * LEASE_S)
        end = await tape.completed(run, 60)
        counted = context_hash(tape.state(run))
        zombie.signal(signal.SIGCONT)
        await tape.until(
            lambda: (new := tape.heartbeats()[name]).number > beat.number and not new.held, 60, "the zombie gives up"
        )
    late = [j for j in tape.judged(run) if j.record.raw.get("incarnation") == beat.incarnation and j.refused]
    orphaned = [chunk for _, chunk in tape.chunks_of(run) if chunk.execution_id == f"{run}/ask#1"]
    assert late or len(orphaned) > 3, "the zombie said nothing late: nothing was tried"
    assert tape.state(run).executions[f"{run}/ask#1"].closed_by == "orphaned"
    assert end.raw["context_hash"] == counted == context_hash(tape.state(run))


@pytest.mark.timeout(240)
async def test_an_orchestrator_that_comes_back_changes_nothing(cluster: Cluster, stub: StubServer) -> None:
    stub.script(FIRST, LATER)
    run, next_run = run_id("zombie"), run_id("after")
    async with cluster.tape() as tape:
        _, name = await _begun(cluster, tape, run)
        zombie = cluster.workers[name]
        zombie.signal(signal.SIGSTOP)
        await asyncio.sleep(2 * LEASE_S)
        end = await tape.completed(run, 60)
        zombie.signal(signal.SIGCONT)
        async with cluster.publisher() as publisher:
            await publisher.start(next_run, ASKING)
        await tape.completed(next_run, 60)
    assert len(stub.calls()) == 2, "a running call outlives the orchestrator that decided it"
    assert end.raw["context_hash"] == context_hash(tape.state(run))
