"""Several workers with all roles are killed at once, each in the middle of a call and with partitions of its own."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule
from tests.takeover.probes import Probes

PIECES = tuple(f"piece {number} " for number in range(1, 9))
HELD = "until all is measured"
CALLING = """\
name: calling
steps:
  - {{name: answer, type: claude, prompt: [{{type: static, content: "Tell me of {run}."}}]}}
"""


@dataclass(frozen=True, slots=True)
class Death:
    """A worker that died: seconds until the last of its calls was made again and the last of its partitions decided."""

    worker: str
    called_s: float
    decided_s: float


@dataclass(frozen=True, slots=True)
class Calls:
    """Runs by the incarnation that holds their call."""

    by_worker: dict[str, list[str]]

    def runs(self) -> list[str]:
        """All of them."""
        return [run for runs in self.by_worker.values() for run in runs]


async def die(
    cluster: Cluster, tape: Tape, publisher: Publisher, probes: Probes, stub: StubServer, names: list[str]
) -> list[Death]:  # fmt: skip
    """Kill these workers at once, and measure each by itself; at least one other has to live."""
    calls = await _calls_on_all(cluster, tape, publisher, stub)
    await probes.everywhere()
    owners = {partition: author for partition, (_, author) in probes.decided.items()}
    killed = {
        incarnation: _kill(cluster, incarnation) for incarnation in calls.by_worker if _name(incarnation) in names
    }
    assert len(killed) == len(names)
    decided = await _decided_again(probes, owners, killed)
    called = await _called_again(stub, calls, killed)
    await asyncio.to_thread(stub.release, HELD)
    for run in calls.runs():
        await tape.completed(run, 60)
    return [
        Death(_name(one), called[one] - at, max(decided[p] - at for p, owner in owners.items() if owner == one))
        for one, at in killed.items()
    ]


async def _calls_on_all(cluster: Cluster, tape: Tape, publisher: Publisher, stub: StubServer) -> Calls:
    """Runs whose calls hang after three chunks, until each worker has one."""
    alive = {worker.name for worker in cluster.workers.values() if worker.alive}
    stub.reset()
    calls = Calls({})
    while {_name(one) for one in calls.by_worker} != alive:
        assert len(calls.runs()) < 10 * len(alive), f"calls are on {calls.by_worker}, workers are {alive}"
        run = run_id("call")
        stub.script(Rule(contains=run, nth=1, answer=Answer(chunks=PIECES, hold_before_chunk=4, hold=HELD)))
        await publisher.start(run, CALLING.format(run=run))
        await tape.until(lambda run=run: [c for _, c in tape.chunks_of(run) if c.n == 3], 20, "chunk 3 is seen")  # type: ignore[misc]
        incarnation = tape.named(run, "StepScheduled")[-1].record.raw["incarnation"]
        calls.by_worker.setdefault(incarnation, []).append(run)
    return calls


def _kill(cluster: Cluster, incarnation: str) -> float:
    at = time.time()
    cluster.workers[_name(incarnation)].process.kill()
    return at


async def _decided_again(probes: Probes, owners: dict[int, str], killed: dict[str, float]) -> dict[int, float]:
    """When each partition of those that died was decided for by another, in epoch seconds."""
    first: dict[int, float] = {}

    def all_again() -> bool:
        for partition, owner in owners.items():
            at, author = probes.decided[partition]
            if owner in killed and author not in killed and at > killed[owner]:
                first.setdefault(partition, at)
        return len(first) == sum(owner in killed for owner in owners.values())

    await probes.until(all_again, 60, "others decide")
    return first


async def _called_again(stub: StubServer, calls: Calls, killed: dict[str, float]) -> dict[str, float]:
    """When the last call of each that died was made again."""
    lost = {run: one for one in killed for run in calls.by_worker[one]}

    def second_calls() -> dict[str, float]:
        asked = [(call.asked.call_id or "", call.asked.at) for call in stub.calls()]
        return {run: at for run in lost for id, at in asked if id.startswith(f"{run}/") and at > killed[lost[run]]}

    ends_at = time.monotonic() + 60
    while len(again := second_calls()) < len(lost):
        assert time.monotonic() < ends_at, f"not called again: {lost.keys() - again.keys()}"
        await asyncio.sleep(0.1)
    return {one: max(at for run, at in again.items() if lost[run] == one) for one in killed}


def _name(incarnation: str) -> str:
    return incarnation.rpartition(".")[0]
