"""Runs go on while processes end, come back or are missing, and while the broker is away."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import start, stop
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.step import StepScheduled

from tests.e2e.cluster import NO_LANE, Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.kafka_broker import free_port, temporary_home

RUNS = 50


def waiting(*delays_ms: int) -> str:
    """A pipeline of test_echo steps, one after another."""
    steps = [f"  - {{name: step{n}, type: test_echo, value: {n}, delay_ms: {d}}}" for n, d in enumerate(delays_ms)]
    return "\n".join(["name: waiting", "steps:", *steps, ""])


@pytest.mark.quiet
async def test_runs_that_start_while_a_worker_leaves_are_hardly_held_up(cluster: Cluster) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("decides", roles="orchestrator"))
        await _lanes(cluster, tape, "stays", "leaves")
        sent: dict[str, float] = {}
        for number in range(80):
            if number == 20:
                cluster.workers["leaves"].signal(signal.SIGTERM)
            run = run_id("meanwhile")
            sent[run] = time.monotonic()
            await publisher.start(run, waiting(0))
            await asyncio.sleep(0.05)
        took = []
        for run, at in sent.items():
            await tape.completed(run, 30)
            took.append(tape.named(run, "RunCompleted")[0].arrived - at)
        print(f"runs while a worker leaves: median {sorted(took)[40] * 1000:.0f} ms, longest {max(took):.2f} s")
        assert max(took) <= 3.0
        assert await cluster.workers["leaves"].ended(15) == 0


async def test_a_run_goes_on_after_every_process_was_killed_and_started_again(cluster: Cluster) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await _two(cluster, tape)
        run, _ = await _in_a_step(tape, publisher, waiting(1000, 1000, 0))
        for worker in cluster.workers.values():
            worker.kill()
        await cluster.ready(tape, cluster.start("third", ELEXIRION_LEASE_S="4"))
        await tape.completed(run, 60)
        assert tape.state(run).steps["step0"].scheduled == 2
        assert len(tape.accepted(run, *TERMINAL_NAMES)) == 1


async def test_a_frozen_worker_that_wakes_up_changes_nothing(cluster: Cluster) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        short = {"ELEXIRION_LEASE_S": "4", "ELEXIRION_LEASE_MARGIN_S": "1"}
        await cluster.ready(tape, cluster.start("decides", roles="orchestrator", **short))
        await _lanes(cluster, tape, "works-1", "works-2", **short)
        run, first = await _in_a_step(tape, publisher, waiting(2500, 0))
        frozen = cluster.workers[first.incarnation.rpartition(".")[0]]
        frozen.signal(signal.SIGSTOP)
        end = await tape.completed(run, 40)
        frozen.signal(signal.SIGCONT)
        late = await tape.until(
            lambda: [s for s in tape.named(run, "StepCompleted") if s.author == first.incarnation],
            20, "the worker that woke up reports its result",
        )  # fmt: skip
        refused = {j.record.id: j.refused for j in tape.judged(run)}
        assert refused[late[0].record.id] == "run_ended"
        assert tape.accepted(run, *TERMINAL_NAMES) == [end]
        assert [e.closed_by for e in tape.state(run).executions.values()][:2] == ["orphaned", "completed"]


@pytest.mark.quiet
async def test_a_step_without_any_worker_runs_in_the_orchestrators_process(cluster: Cluster) -> None:
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("alone", roles="orchestrator", ELEXIRION_DISPATCH_TIMEOUT_S="2"))
        await cluster.deciding(tape)
        run, began = run_id("local"), time.monotonic()
        await publisher.start(run, waiting(0, 0))
        end = await tape.completed(run)
        assert 2.0 <= time.monotonic() - began <= 6.0
        assert end.raw["result"]["value"] == 1
        assert {e.incarnation.rpartition(".")[0] for e in tape.state(run).executions.values()} == {"alone"}


async def test_fifty_runs_at_once_over_two_orchestrators_end_once_each(standing: Cluster) -> None:
    runs = [run_id("many") for _ in range(RUNS)]
    async with standing.tape() as tape, standing.publisher() as publisher:
        for run in runs:
            await publisher.start(run, waiting(10, 0, 10))
        for run in runs:
            await tape.completed(run, 60)
            assert len(tape.accepted(run, *TERMINAL_NAMES)) == 1
            assert len(tape.accepted(run, "StepCompleted")) == 3
        authors = {tape.named(run, "RunStarted")[0].author for run in runs}
        assert len(authors) == 2, "both orchestrators decide"
        workers = {e.incarnation for run in runs for e in tape.state(run).executions.values()}
        assert len(workers) == 2, "both workers execute"


@pytest.fixture
def own_home() -> Iterator[Home]:
    """A broker of its own, that may be stopped."""
    with tempfile.TemporaryDirectory(prefix="elexirion-e2e-") as folder:
        home = temporary_home(Path(folder))
        try:
            yield home
        finally:
            stop(home)


@pytest.mark.quiet
@pytest.mark.parametrize("outage_s", [4, 15])
async def test_a_run_goes_on_when_the_broker_was_away(own_home: Home, tmp_path: Path, outage_s: float) -> None:
    """The step ends while nobody can be told; its report arrives once the broker is back, and nobody had to end."""
    port = free_port()
    broker = await asyncio.to_thread(start, own_home, port=port)
    cluster = await asyncio.to_thread(Cluster(broker.bootstrap, tmp_path).__enter__)
    try:
        async with cluster.tape() as tape, cluster.publisher() as publisher:
            await _two(cluster, tape)
            run, _ = await _in_a_step(tape, publisher, waiting(1500, 0))
            await asyncio.to_thread(stop, own_home)
            await asyncio.sleep(outage_s)  # the outage itself: longer than the step, and than what aiokafka waits
            await asyncio.to_thread(start, own_home, port=port)
            await tape.completed(run, 60)
            state = tape.state(run)
            # Where nobody is heard for longer than a worker may begin anything, it declines, and is asked again.
            closed = [e.closed_by for e in state.executions.values() if e.closed_by != "declined"]
            assert closed == ["completed", "completed"]
            assert {seen.record.raw["reason"] for seen in tape.named(run, "StepDeclined")} <= {"fenced"}
            assert all(worker.alive for worker in cluster.workers.values())
            after = run_id("after")
            await publisher.start(after, NO_LANE)
            await tape.completed(after)
    finally:
        cluster.__exit__(None, None, None)


async def _two(cluster: Cluster, tape: Tape, **settings: str) -> None:
    """Two workers with all roles."""
    await cluster.ready(tape, cluster.start("one", **settings), cluster.start("two", **settings))
    await cluster.deciding(tape)


async def _lanes(cluster: Cluster, tape: Tape, *names: str, **settings: str) -> None:
    workers = [cluster.start(name, roles="lanes", lanes="local", **settings) for name in names]
    await cluster.ready(tape, *workers)
    await cluster.deciding(tape)


async def _in_a_step(tape: Tape, publisher: Publisher, pipeline: str) -> tuple[str, StepScheduled]:
    """A fresh run whose first step has started."""
    run = run_id("run")
    await publisher.start(run, pipeline)
    await tape.event(run, "StepStarted")
    data = tape.named(run, "StepScheduled")[0].record.data
    assert isinstance(data, StepScheduled)
    return run, data
