"""A provider's limit holds for all workers together, and everybody gets on."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import Any

from tests.e2e.cluster import Cluster, run_id
from tests.stub.client import StubServer

RUNS, STEPS = 20, 10
LIMIT, MINUTE_S = 60, 6.0
SETTINGS = {
    "ELEXIRION_RATE_LIMITS": f'{{"claude": {{"requests_per_minute": {LIMIT}}}}}',
    "ELEXIRION_RATE_MINUTE_S": str(MINUTE_S),
    "ELEXIRION_CLAUDE_SLOTS": "10",
}


def pipeline(question: str) -> dict[str, Any]:
    """Steps side by side that may take six seconds: less than most of them wait in line."""
    step = {"type": "claude", "prompt": question, "needs": [], "timeout": "6s", "retry": {"max_attempts": 1}}
    return {"name": "many", "steps": [{"name": f"ask_{n}", **step} for n in range(STEPS)]}


async def test_200_steps_over_two_workers_never_pass_the_limit_and_all_get_on(
    cluster: Cluster, stub: StubServer
) -> None:
    stub.limit(LIMIT, MINUTE_S)
    question = f"Is it my turn? {uuid.uuid4().hex}"
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        workers = [cluster.start("a", lanes="claude,local", **SETTINGS),
                   cluster.start("b", roles="lanes", lanes="claude", **SETTINGS)]  # fmt: skip
        await cluster.ready(tape, *workers)
        runs = [run_id("rate") for _ in range(RUNS)]
        for run in runs:
            await publisher.start(run, pipeline(question))
        await asyncio.gather(*(tape.completed(run, 150) for run in runs))

        calls = [call for call in stub.calls() if question in call.asked.prompt]
        assert Counter(call.rows[-1].detail for call in calls) == {"complete": RUNS * STEPS}
        times = sorted(call.asked.at for call in calls)
        fullest = max(sum(at <= one < at + MINUTE_S for one in times) for at in times)
        asks = [seen for seen in tape.providers if seen.record.type == "PermitsAsked"]
        print(f"{len(calls)} calls in {times[-1] - times[0]:.1f} s, {fullest} in the fullest minute, {len(asks)} asks")
        assert fullest <= LIMIT
        assert len(asks) < len(calls) / 2
