"""A lane whose provider stands still delays no other lane: a step of gemini takes as long beside ten hanging calls."""

from __future__ import annotations

from statistics import median

import pytest

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

SLOTS, STEPS, PAIRS, MOST = 10, 12, 5, 1.2
HANGING = {
    "name": "hanging",
    "steps": [{"name": f"ask{n}", "type": "claude", "prompt": "hang", "needs": []} for n in range(STEPS)],
}
ASKING = {"name": "asking", "steps": [{"name": "ask", "type": "gemini", "prompt": "go on"}]}
# Long beside the noise of a busy machine.
STREAMED = Answer(chunks=("one ", "two ", "three ", "four ", "five ", "six"), delay_chunk_s=0.25)

pytestmark = [pytest.mark.quiet, pytest.mark.timeout(150)]


async def test_a_stalled_claude_lane_does_not_delay_a_gemini_step(cluster: Cluster, stub: StubServer) -> None:
    stub.script(
        Rule(provider="claude", answer=Answer(chunks=("a", "b"), hold_before_chunk=2, hold="for ever")),
        Rule(provider="gemini", answer=STREAMED),
    )
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("one", ELEXIRION_CLAUDE_SLOTS=str(SLOTS)))
        await _took_s(tape, publisher)
        calm: list[float] = []
        stalled: list[float] = []
        for _ in range(PAIRS):
            calm.append(await _took_s(tape, publisher))
            hanging = await _stalled(tape, publisher, stub)
            stalled.append(await _took_s(tape, publisher))
            assert _open(stub) == SLOTS, "the lane stood still all the while"
            await publisher.cancel(hanging)
            await tape.end_of(hanging)
            await tape.until(lambda: _open(stub) == 0, 20, "the hanging calls are given up")
    print(f"calm {median(calm):.3f} s, beside a stalled lane {median(stalled):.3f} s")
    assert median(stalled) < MOST * median(calm), (calm, stalled)


async def _took_s(tape: Tape, publisher: Publisher) -> float:
    """Seconds from the start of a run with one step of gemini to its end, by the records' own times."""
    run = run_id("asking")
    await publisher.start(run, ASKING)
    end = await tape.completed(run, 30)
    [begin] = tape.accepted(run, "RunStarted")
    return (end.at - begin.at).total_seconds()


async def _stalled(tape: Tape, publisher: Publisher, stub: StubServer) -> str:
    """Fill the lane of claude with calls that hang, more steps behind them; the run of all this."""
    run = run_id("hanging")
    await publisher.start(run, HANGING)
    await tape.until(lambda: _open(stub) == SLOTS, 30, "the lane is full of hanging calls")
    return run


def _open(stub: StubServer) -> int:
    return sum(call.is_open and call.asked.provider == "claude" for call in stub.calls())
