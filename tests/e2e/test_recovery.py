"""Processes are killed in the middle of a streamed answer; the run completes, and nothing counts twice.

`ELEXIRION_RECOVERY_ROUNDS` says how often each kind of death is tried (1 if unset); the lease is the default one.
Deaths of workers that have all roles: `tests/takeover`.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import pytest
from elexirion.agents.settings import Settings
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.identifiers import ExecutionId
from elexirion.projections.context import context_hash
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Execution

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer, Rule

ROUNDS = int(os.environ.get("ELEXIRION_RECOVERY_ROUNDS") or "1")
LEASE_S: float = Settings.model_fields["lease_s"].default
LATEST_S = LEASE_S + 2
PIECES = tuple(f"piece {number} " for number in range(1, 81))
STREAMS_S = 16.0  # longer than the lease, so that a call which survives is seen to survive
ASKING = """\
name: asking
steps:
  - {name: before, type: test_echo, value: ready}
  - {name: answer, type: claude, prompt: [{type: static, content: "Tell me slowly."}]}
  - {name: after, type: test_echo, value: "{{ answer }}"}
"""


@dataclass(frozen=True, slots=True)
class Round:
    """A run in the middle of its answer: chunk 3 was seen."""

    run: str
    executing: str
    deciding: str


pytestmark = [pytest.mark.timeout(90 * ROUNDS + 60), pytest.mark.quiet]


@pytest.mark.parametrize("round_", range(ROUNDS))
async def test_a_run_outlives_the_worker_that_executes_its_step(
    round_: int, cluster: Cluster, stub: StubServer
) -> None:
    async with cluster.tape() as tape:
        await _split(cluster, tape)
        begun = await _until_chunk_3(cluster, tape, stub)
        killed = _kill(cluster, begun.executing)
        calls = await _completes_with_a_second_call(cluster, tape, stub, begun, killed)
        _report("worker", killed, calls)


@pytest.mark.parametrize("round_", range(ROUNDS))
async def test_a_running_call_outlives_the_orchestrator_that_decided_it(
    round_: int, cluster: Cluster, stub: StubServer
) -> None:
    async with cluster.tape() as tape:
        await _split(cluster, tape)
        begun = await _until_chunk_3(cluster, tape, stub)
        _kill(cluster, begun.deciding)
        state = await _completes(cluster, tape, begun)

    [call] = stub.calls()
    assert call.states == ("opened", "first-byte", "closed")
    [execution] = _executions(state, "answer")
    assert execution.closed_by == "completed"
    assert execution.incarnation == begun.executing
    _accepted_once(tape, begun.run)
    _chunks_agree(tape, state)


@pytest.mark.parametrize("round_", range(ROUNDS))
async def test_a_run_outlives_its_worker_and_its_orchestrator_killed_at_once(
    round_: int, cluster: Cluster, stub: StubServer
) -> None:
    async with cluster.tape() as tape:
        await _split(cluster, tape)
        begun = await _until_chunk_3(cluster, tape, stub)
        killed = _kill(cluster, begun.executing, begun.deciding)
        calls = await _completes_with_a_second_call(cluster, tape, stub, begun, killed)
        _report("worker and orchestrator", killed, calls)


async def _split(cluster: Cluster, tape: Tape) -> None:
    """Two processes that decide and two that execute."""
    deciding = [cluster.start(f"orchestrator-{n}", roles="orchestrator") for n in (1, 2)]
    executing = [cluster.start(f"worker-{n}", roles="lanes", lanes="claude,local") for n in (1, 2)]
    await cluster.ready(tape, *deciding, *executing)
    await cluster.deciding(tape)


async def _until_chunk_3(cluster: Cluster, tape: Tape, stub: StubServer) -> Round:
    slow = Answer(chunks=PIECES, delay_chunk_s=STREAMS_S / len(PIECES))
    stub.script(Rule(nth=1, answer=slow), Rule(answer=Answer(chunks=PIECES)))
    run = run_id("recovery")
    async with cluster.publisher() as publisher:
        await publisher.start(run, ASKING)
    await tape.until(lambda: [c for _, c in tape.chunks_of(run) if c.n == 3], 20, "chunk 3 is seen")
    scheduled = tape.named(run, "StepScheduled")[-1]
    assert scheduled.record.raw["step"] == "answer"
    return Round(run, executing=scheduled.record.raw["incarnation"], deciding=scheduled.author)


def _kill(cluster: Cluster, *incarnations: str) -> float:
    """kill -9 of the processes that live these lives; gives the time in seconds since the epoch."""
    names = {incarnation.rpartition(".")[0] for incarnation in incarnations}
    assert names <= cluster.workers.keys()
    at = time.time()
    for name in names:
        cluster.workers[name].process.kill()
    return at


async def _completes_with_a_second_call(
    cluster: Cluster, tape: Tape, stub: StubServer, begun: Round, killed: float
) -> tuple[StubCall, StubCall]:
    state = await _completes(cluster, tape, begun)
    first, second = stub.calls()
    lost, won = _executions(state, "answer")
    assert (lost.closed_by, won.closed_by) == ("orphaned", "completed")
    assert lost.incarnation == begun.executing != won.incarnation
    assert (first.asked.call_id, second.asked.call_id) == (f"{lost.id}/1", f"{won.id}/1")
    assert second.asked.at - killed <= LATEST_S
    assert first.states == ("opened", "first-byte", "client-disconnected")
    assert state.steps["answer"].failures == 0, "a lost worker spends no attempt"
    _accepted_once(tape, begun.run)
    _chunks_agree(tape, state)
    return first, second


async def _completes(cluster: Cluster, tape: Tape, begun: Round) -> RunState:
    """The run's end: log, fold and `show` agree on it."""
    end = await tape.completed(begun.run, LATEST_S + STREAMS_S + 10)
    state = tape.state(begun.run)
    assert end.raw["result"]["value"] == "".join(PIECES)
    assert end.raw["context_hash"] == state.context_hash == context_hash(state)
    said = await cluster.show(begun.run)
    assert (said["status"], said["context_hash"]) == ("completed", state.context_hash)
    shown = {row["id"]: (row["closed_by"], row["superseded"], row["calls"]) for row in said["executions"]}
    assert shown == {e.id: (e.closed_by, e.closed_by != "completed", e.calls) for e in state.executions.values()}
    return state


def _executions(state: RunState, step: str) -> list[Execution]:
    return [execution for execution in state.executions.values() if execution.step == step]


def _accepted_once(tape: Tape, run: str) -> None:
    """One accepted result of each step, and one end."""
    results = [ExecutionId.parse(r.raw["execution_id"]).step for r in tape.accepted(run, "StepCompleted")]
    assert sorted(results) == ["after", "answer", "before"]
    assert len(tape.accepted(run, *TERMINAL_NAMES)) == 1


def _chunks_agree(tape: Tape, state: RunState) -> None:
    """Each execution's chunks are gapless; those of the one that counts are all its text, the others superseded."""
    by_execution: dict[str, list[int]] = {}
    for _, chunk in tape.chunks_of(state.run_id):
        by_execution.setdefault(chunk.execution_id, []).append(chunk.n)
    for execution in _executions(state, "answer"):
        numbers = by_execution.pop(execution.id, [])
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 3
        superseded = execution.closed_by != "completed"
        assert superseded or len(numbers) == len(PIECES) == state.steps["answer"].chunks
    assert not by_execution, "chunks of executions that nobody scheduled"


def _report(who: str, killed: float, calls: tuple[StubCall, StubCall]) -> None:
    print(f"kill -9 of the {who} to the second call: {calls[1].asked.at - killed:.2f} s (at most {LATEST_S:g} s)")
