"""A run whose log cannot be folded is quarantined alone; its neighbours on the partition go on."""

from __future__ import annotations

from pathlib import Path

from elexirion.events.partitioner import partition_of

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape

# A fold with an error in it, in every process of the cluster: the start of a step named `poison` raises.
FAULT = """\
from elexirion.events import step
from elexirion.projections import evolve, step_changes

fold = evolve._CHANGES[step.StepStarted]

def started(state, data, record):
    if "/poison#" in data.execution_id:
        raise LookupError("an error in the fold")
    return fold(state, data, record)

evolve._CHANGES[step.StepStarted] = started
"""
PIPELINE = """\
name: any
steps:
  - {{name: {name}, type: test_echo, value: done, delay_ms: 300}}
  - {{name: last, type: test_echo, value: end}}
"""


async def test_a_run_that_the_fold_raises_on_is_quarantined_and_its_neighbours_complete(
    cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULT)
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        worker = cluster.start("faulty", PYTHONPATH=str(tmp_path))
        await cluster.ready(tape, worker)
        await cluster.deciding(tape)
        poisoned = run_id("poisoned")
        await publisher.start(poisoned, PIPELINE.format(name="poison"))
        neighbours = await _neighbours(publisher, poisoned)

        quarantined = await tape.event(poisoned, "RunQuarantined", 20)
        for run in neighbours:
            await tape.completed(run)
        reason = quarantined.record.raw["reason"]
        assert "StepStarted at offset" in reason and "LookupError" in reason
        assert "an error in the fold" not in reason, "what an error says may hold anything"
        await _goes_on_after_a_restart(cluster, tape, publisher, poisoned, tmp_path)


async def _neighbours(publisher: Publisher, run: str, count: int = 3) -> list[str]:
    """Good runs of the same partition."""
    found: list[str] = []
    while len(found) < count:
        other = run_id("neighbour")
        if partition_of(other, 8) == partition_of(run, 8):
            await publisher.start(other, PIPELINE.format(name="good"))
            found.append(other)
    return found


async def _goes_on_after_a_restart(
    cluster: Cluster, tape: Tape, publisher: Publisher, poisoned: str, folder: Path
) -> None:
    """Whoever reads the log anew finds the same run ended, and quarantines nothing again."""
    cluster.workers["faulty"].kill()
    worker = cluster.start("again", PYTHONPATH=str(folder))
    await cluster.ready(tape, worker)
    for run in await _neighbours(publisher, poisoned, 1):
        await tape.completed(run, 40)
    assert worker.alive
    assert len(tape.named(poisoned, "RunQuarantined")) == 1
