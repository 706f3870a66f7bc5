"""A full lane on a real broker: runs take turns at its slots, and classes of priority get their shares."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.cluster import Cluster, run_id
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer

SLOTS, ITEMS, SLOW_S = 2, 60, 0.4
SMALL = {"name": "small", "steps": [{"name": "ask", "type": "claude", "prompt": "small"}]}

pytestmark = pytest.mark.timeout(90)


def batch_of(word: str, priority: str) -> dict[str, Any]:
    """Many calls that say this word, all at once as far as there is room."""
    template = {"prompt": word + " {{ item }}"}
    step = {"name": "ask", "type": "claude_batch", "items": list(range(ITEMS)), "max_parallel": ITEMS}
    return {"name": word, "priority": priority, "steps": [{**step, "step_template": template}]}


def of(calls: list[StubCall], word: str) -> list[StubCall]:
    """The calls that say the word."""
    return [call for call in calls if word in call.asked.prompt]


async def test_a_small_run_beside_a_batch_and_a_high_batch_beside_a_low_one(cluster: Cluster, stub: StubServer) -> None:
    stub.answer(Answer(chunks=("one", "two"), delay_first_byte_s=SLOW_S))
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        worker = cluster.start("one", ELEXIRION_CLAUDE_SLOTS=str(SLOTS))
        await cluster.ready(tape, worker)
        low, small, high = run_id("low"), run_id("small"), run_id("high")
        await publisher.start(low, batch_of("tides", "low"))
        await tape.until(lambda: len(stub.calls()) >= 2 * SLOTS, 20, "the batch is under way")

        await publisher.start(small, SMALL)
        await tape.event(small, "RunStarted")
        before = len(stub.calls())
        await tape.until(lambda: of(stub.calls(), "small"), 10, "the small run has its call")
        between = [call for call in stub.calls()[before:] if call not in of(stub.calls(), "small")]
        print(f"{len(between)} calls of the batch between")
        assert len(between) <= 2 * SLOTS, "one round of slots, and what was granted before"
        await tape.completed(small)

        await publisher.start(high, batch_of("rivers", "high"))
        await tape.until(lambda: of(stub.calls(), "rivers"), 10, "the high batch is under way")
        before = len(stub.calls())
        await tape.until(lambda: len(stub.calls()) >= before + 20, 20, "twenty more calls")
        calls = stub.calls()[before : before + 20]
        shares = len(of(calls, "rivers")), len(of(calls, "tides"))
        print(f"of 20 calls {shares} are of the high and the low batch")
        assert shares[0] >= 15
        assert shares[1] >= 1, "nobody starves"
        for batch in (low, high):
            await publisher.cancel(batch)
            await tape.end_of(batch)
