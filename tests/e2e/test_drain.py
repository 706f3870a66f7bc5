"""SIGTERM or Ctrl-C: nothing new is taken, steps may end for `drain_s`, the rest goes on elsewhere within 2 s."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable

import pytest
from elexirion.events.partitioner import partition_of
from elexirion.projections.step_state import Execution

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer, Rule

DRAIN_S = 2.0
ELSEWHERE_WITHIN_S = 2.0
ENDS_WITHIN_S = 1.0
SHORT = Answer(chunks=("short",), delay_first_byte_s=1.2)
ENDLESS = Answer(chunks=("begun", "never said"), hold_before_chunk=2)
ASKING = 'name: asking\nsteps: [{{name: ask, type: claude, prompt: [{{type: static, content: "{0}"}}]}}]\n'

pytestmark = [pytest.mark.timeout(240), pytest.mark.quiet]


async def test_short_steps_end_in_the_draining_worker_and_long_ones_go_on_elsewhere(
    cluster: Cluster, stub: StubServer
) -> None:
    stub.script(
        Rule(contains="briefly", answer=SHORT),
        *(Rule(contains="at length", nth=1, answer=ENDLESS) for _ in range(8)),  # the first eight calls
        Rule(contains="at length", answer=Answer(chunks=("at last",))),
    )
    async with cluster.tape() as tape:
        await _two(cluster, tape, ELEXIRION_DRAIN_S=str(DRAIN_S))
        long = await _begun(cluster, tape, stub, "at length", _of_each_decider(tape, 4))
        short = await _begun(cluster, tape, stub, "briefly", [run_id("short") for _ in range(6)])
        leaving = cluster.workers[_name(_first(tape, long[0]))]
        leaving.signal(signal.SIGTERM)
        for run in (*short, *(run for run in long if _name(_first(tape, run)) == leaving.name)):
            await tape.completed(run, 30)
        assert await leaving.ended(30) == 0, leaving.last_lines()
        calls = _calls_by_run(stub.calls())
        _ended_where_they_began(tape, short, calls, leaving.name)
        _went_on_elsewhere(tape, long, calls, leaving.name)


def _ended_where_they_began(tape: Tape, runs: list[str], calls: dict[str, list[StubCall]], leaving: str) -> None:
    assert any(_name(_first(tape, run)) == leaving for run in runs), "the draining worker had no short step"
    for run in runs:
        [execution] = tape.state(run).executions.values()
        assert execution.closed_by == "completed"
        assert len(calls[run]) == 1


def _went_on_elsewhere(tape: Tape, runs: list[str], calls: dict[str, list[StubCall]], leaving: str) -> None:
    deciders = set()
    for run in (run for run in runs if _name(_first(tape, run)) == leaving):
        first, second = tape.state(run).executions.values()
        assert (first.closed_by, second.closed_by) == ("released", "completed")
        assert (first.attempt, second.attempt, tape.state(run).steps["ask"].failures) == (1, 1, 0)
        assert _name(second) != leaving
        released = tape.named(run, "StepReleased")[0].record.at.timestamp()
        took = calls[run][1].asked.at - released
        print(f"release to the next call: {took:.3f} s, decided by {tape.named(run, 'StepScheduled')[0].author}")
        assert took <= ELSEWHERE_WITHIN_S
        deciders.add(tape.named(run, "StepScheduled")[0].author)
    assert len(deciders) == 2, "the draining process decided for one of them itself, and another for one"


async def test_a_second_signal_ends_the_worker_at_once_and_its_step_goes_on_elsewhere(
    cluster: Cluster, stub: StubServer
) -> None:
    stub.script(Rule(nth=1, answer=ENDLESS), Rule(answer=Answer(chunks=("at last",))))
    async with cluster.tape() as tape:
        await _two(cluster, tape, ELEXIRION_LEASE_S="4", ELEXIRION_LEASE_MARGIN_S="1")
        [run] = await _begun(cluster, tape, stub, "at length", [run_id("twice")])
        leaving = cluster.workers[_name(_first(tape, run))]
        leaving.signal(signal.SIGTERM)
        await tape.until(lambda: tape.heartbeats()[leaving.name].draining, 10, "the worker drains")
        began = time.monotonic()
        leaving.signal(signal.SIGTERM)
        assert await leaving.ended(5) == 128 + signal.SIGTERM
        assert time.monotonic() - began <= ENDS_WITHIN_S
        await tape.completed(run, 30)
        lost, won = tape.state(run).executions.values()
    assert (lost.closed_by, won.closed_by, won.attempt) == ("orphaned", "completed", 1)
    assert _name(won) != leaving.name
    assert len(stub.calls()) == 2


@pytest.mark.parametrize("verb", ["worker", "dev"])
async def test_ctrl_c_drains_and_says_so(cluster: Cluster, stub: StubServer, verb: str) -> None:
    stub.script(Rule(answer=SHORT))
    async with cluster.tape() as tape:
        only = cluster.start("only") if verb == "worker" else cluster.start_dev("only")
        await cluster.ready(tape, only)
        await cluster.deciding(tape)
        [run] = await _begun(cluster, tape, stub, "briefly", [run_id("ctrl-c")])
        os.killpg(only.process.pid, signal.SIGINT)  # as a terminal does: to all that stand in the foreground
        assert await only.ended(30) == 0, only.last_lines()
        await tape.event(run, "StepCompleted")
    said = only.last_lines()
    assert "a second signal ends at once" in said
    assert "draining" in said
    assert "Traceback" not in said
    assert len(stub.calls()) == 1


async def _two(cluster: Cluster, tape: Tape, **settings: str) -> None:
    await cluster.ready(tape, cluster.start("one", **settings), cluster.start("two", **settings))
    await cluster.deciding(tape)


def _of_each_decider(tape: Tape, count: int) -> list[str]:
    """Fresh run ids, so many for each of those that decide now."""
    deciders = {seen.partition: seen.author for seen in tape.events if seen.record.type == "RunStarted"}
    found: dict[str, list[str]] = {author: [] for author in deciders.values()}
    while any(len(ids) < count for ids in found.values()):
        run = run_id("long")
        decider = deciders.get(partition_of(run, 8))
        if decider and len(found[decider]) < count:
            found[decider].append(run)
    return [run for ids in found.values() for run in ids]


async def _begun(cluster: Cluster, tape: Tape, stub: StubServer, how: str, runs: list[str]) -> list[str]:
    """The runs, each of which has asked its provider."""
    async with cluster.publisher() as publisher:
        for run in runs:
            await publisher.start(run, ASKING.format(f"Tell me {how}."))
    await tape.until(lambda: all(tape.named(run, "ProviderRequested") for run in runs), 30, "all runs ask")
    await asyncio.to_thread(stub.wait_for, lambda calls: set(runs) <= _calls_by_run(calls).keys())
    return runs


def _first(tape: Tape, run: str) -> Execution:
    return next(iter(tape.state(run).executions.values()))


def _name(execution: Execution) -> str:
    return execution.incarnation.rpartition(".")[0]


def _calls_by_run(calls: Iterable[StubCall]) -> dict[str, list[StubCall]]:
    found: dict[str, list[StubCall]] = {}
    for call in calls:
        found.setdefault((call.asked.call_id or "").partition("/")[0], []).append(call)
    return found
