"""The broker stops for a while (SIGSTOP) with steps in flight: nothing fails for it, nobody is declared dead.

`ELEXIRION_SILENCE_S` is how long, 20 s if unset: twice the lease.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from elexirion.events.step import StepFailed, StepOrphaned

from tests.chaos.broker import OwnBroker
from tests.chaos.history import examined
from tests.e2e.cluster import Cluster, run_id
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer, Rule

SILENCE_S = float(os.environ.get("ELEXIRION_SILENCE_S") or "20")
RUNS = 20
STEPS = 5
PIECES = tuple(f"piece {number} " for number in range(1, 21))
PIPELINE = "name: silence\nsteps:\n" + "".join(
    f'  - {{name: s{n}, type: claude, prompt: [{{type: static, content: "Part {n}."}}]}}\n' for n in range(1, STEPS + 1)
)


@pytest.fixture
def silent(broker: OwnBroker, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(broker.bootstrap, tmp_path_factory.mktemp("silence"), providers) as cluster:
        yield cluster


@pytest.mark.timeout(SILENCE_S + 240)
async def test_a_silent_broker_fails_no_run_and_no_worker_is_declared_dead(
    silent: Cluster, broker: OwnBroker, stub: StubServer
) -> None:
    stub.script(Rule(answer=Answer(chunks=PIECES, delay_chunk_s=0.1)))
    runs = [run_id("silence") for _ in range(RUNS)]
    async with silent.tape() as tape, silent.publisher() as publisher:
        await silent.ready(tape, silent.start("one"), silent.start("two"))
        await silent.deciding(tape)
        for number, run in enumerate(runs):
            await publisher.start(run, PIPELINE)
            await asyncio.sleep(2 / RUNS if number else 0)
        await tape.until(lambda: all(tape.named(run, "ProviderRequested") for run in runs), 60, "steps are in flight")

        broker.freeze()
        try:
            await asyncio.sleep(SILENCE_S)
        finally:
            broker.thaw()

        for run in runs:
            await tape.completed(run, 90)
    ends = [seen.record.data for seen in tape.events]
    assert not [data for data in ends if isinstance(data, StepFailed)]
    # A step that no worker has begun may go to the one that has its lane again first; that is no death.
    assert {data.reason for data in ends if isinstance(data, StepOrphaned)} <= {"lane_dropped"}
    given_up = {one.raw["execution_id"] for run in runs for one in tape.accepted(run, "StepOrphaned")}
    # Where it was on its way to its first worker all the same, that one's call was for nothing.
    calls = stub.calls()
    assert len([call for call in calls if _execution(call) not in given_up]) == RUNS * STEPS
    assert not (await examined(silent.bootstrap, silent.topics, calls)).violations


def _execution(call: StubCall) -> str:
    return (call.asked.call_id or "").rpartition("/")[0]
