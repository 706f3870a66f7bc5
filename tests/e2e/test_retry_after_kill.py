"""A kill between two attempts: the count of attempts survives, and so does the time at which the next one is due."""

from __future__ import annotations

import pytest
from elexirion.events.step import StepRetryScheduled, StepScheduled

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

DELAY_S = 12.0
SOON_S = 4.0
"""A due attempt is made within so much time on a busy machine; a wait that began anew would take far longer."""
RETRYING = f"""\
name: retrying
steps:
  - {{name: ask, type: claude, prompt: a, retry: {{base_delay_ms: {DELAY_S * 1000:.0f}, backoff: fixed}}}}
"""

pytestmark = [pytest.mark.timeout(150), pytest.mark.quiet]


async def test_attempts_and_due_time_outlive_whoever_decided_and_executed_them(
    cluster: Cluster, stub: StubServer
) -> None:
    stub.script(
        Rule(nth=1, answer=Answer(status=529)),
        Rule(nth=1, answer=Answer(status=503)),
        Rule(answer=Answer(chunks=("At last.",))),
    )
    run = run_id("retrying")
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, cluster.start("one"), cluster.start("two"))
        await cluster.deciding(tape)
        await publisher.start(run, RETRYING)
        waits = await tape.event(run, "StepRetryScheduled")
        _kill_author(cluster, waits.author)
        await tape.completed(run, within_s=90)
        _check(tape, stub, run)


def _kill_author(cluster: Cluster, author: str) -> None:
    """kill -9 of the process that decided about the run; where the other one executed, it knows nothing of the wait."""
    [killed] = [worker for name, worker in cluster.workers.items() if author.startswith(name)]
    killed.kill()


def _check(tape: Tape, stub: StubServer, run: str) -> None:
    scheduled = [
        (one.data, one.at) for one in tape.accepted(run, "StepScheduled") if isinstance(one.data, StepScheduled)
    ]
    retries = [one.data for one in tape.accepted(run, "StepRetryScheduled") if isinstance(one.data, StepRetryScheduled)]
    assert [data.attempt for data, _ in scheduled] == [1, 2, 3]
    assert [(data.attempt, data.delay_s) for data in retries] == [(2, DELAY_S), (3, DELAY_S)]
    for retry, (_, at) in zip(retries, scheduled[1:], strict=True):
        assert 0 <= (at - retry.due_at).total_seconds() < SOON_S, "neither early nor counted anew"
    first, second, third = (call.asked.at for call in stub.calls())
    assert DELAY_S <= second - first < DELAY_S + SOON_S
    assert third - second >= DELAY_S
