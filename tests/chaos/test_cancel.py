"""Cancelling: the provider's call ends soon after, and a race against completion has exactly one winner."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

import pytest
from elexirion.agents.kafka.reading import broker_time
from elexirion.events.catalog import TERMINAL_NAMES

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

RACES = int(os.environ.get("ELEXIRION_RACES") or "1000")
AT_ONCE = 20
STEP_S = 0.3
OFFSET_S = 0.02
LEARNS_S = 0.002
ASKING = 'name: asking\nsteps: [{name: ask, type: claude, prompt: [{type: static, content: "Tell me."}]}]\n'
WAITING = f"name: race\nsteps: [{{name: only, type: test_echo, value: done, delay_ms: {STEP_S * 1000:.0f}}}]\n"
ABORTED_WITHIN_S = 2.0


async def test_a_cancelled_run_ends_its_call_at_the_provider_within_two_seconds(
    cluster: Cluster, stub: StubServer
) -> None:
    stub.script(Rule(answer=Answer(chunks=("a", "b", "c"), hold_before_chunk=3)))
    run = run_id("cancel")
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("one"), cluster.start("two"))
        await publisher.start(run, ASKING)
        await tape.until(lambda: len(tape.chunks_of(run)) == 2, 60, "two chunks")
        await publisher.cancel(run)
        seen = await tape.event(run, "RunCancelled")
        [call] = await asyncio.to_thread(stub.wait_for, lambda calls: not calls[0].is_open)
    assert call.states[-1] == "client-disconnected"
    assert call.rows[-1].at - broker_time(seen.message).timestamp() <= ABORTED_WITHIN_S


@pytest.mark.timeout(RACES * 0.3 + 180)
async def test_a_cancel_that_races_a_completion_has_one_winner(cluster: Cluster) -> None:
    chance, gate, lead = random.Random(6), asyncio.Semaphore(AT_ONCE), [0.0]
    runs = [(run_id("race"), chance.uniform(-OFFSET_S, OFFSET_S)) for _ in range(RACES)]
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("one"), cluster.start("two"))
        await cluster.deciding(tape)
        await asyncio.gather(*(_race(run, offset_s, gate, tape, publisher, lead) for run, offset_s in runs))
    ends = {run: [record.type for record in tape.accepted(run, *TERMINAL_NAMES)] for run, _ in runs}
    assert not {run: types for run, types in ends.items() if len(types) != 1}
    won = Counter(types[0] for types in ends.values())
    print(f"{RACES} races: {dict(won)}")
    assert won.keys() == {"RunCompleted", "RunCancelled"}, "one side always wins: these are no races"


async def _race(
    run: str, offset_s: float, gate: asyncio.Semaphore, tape: Tape, publisher: Publisher, lead: list[float]
) -> None:
    """Cancel when the step's time is over, give or take the offset.

    A cancel takes its own way into the log: `lead` grows while completions win and shrinks while cancels do.
    """
    async with gate:
        await publisher.start(run, WAITING)
        await tape.until(lambda: tape.named(run, "StepStarted"), 60, "the step starts")
        await asyncio.sleep(max(0.0, STEP_S + offset_s - lead[0]))
        await publisher.cancel(run)
        [end, *_] = await tape.until(lambda: tape.named(run, *TERMINAL_NAMES), 60, "the run ends")
        lead[0] += LEARNS_S if end.record.type == "RunCompleted" else -LEARNS_S
