"""The seed's example of a batch: so many items at a time and no more, in order, and nothing done twice."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from elexirion.events.step import StepOrphaned
from elexirion.projections.step_state import Execution

from tests.e2e.cluster import Cluster
from tests.e2e.language.conftest import client_of
from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer, Rule

BATCH = """\
name: files
steps:
  - name: parallel_analysis
    type: claude_batch
    parallel: %s
    batch_size: 5
    max_parallel: %d
    items: "{{ source_files }}"
    step_template:
      type: claude
      prompt: "Analyze this file: {{ item }}"
"""
FILES = [f"lib/module_{number:02}.py" for number in range(40)]
RESULTS = [f"You said: Analyze this file: {file} " for file in FILES]
STEP = "parallel_analysis"


def _open(calls: list[StubCall]) -> int:
    return sum(call.is_open for call in calls)


def _most_scheduled(ended: Ended) -> int:
    """How many executions were open in the log at the same time, at most."""
    return max(len(entry.state.open_executions()) for entry in ended.entries if entry.state)


@pytest.mark.parametrize("limit", [10, 3, 64])
async def test_never_more_items_are_in_flight_than_the_limit(limit: int, runs: Runner, stub: StubServer) -> None:
    stub.answer(Answer(hold_before_chunk=1, hold="all", delay_chunk_s=0.01))
    reached = min(limit, len(FILES))
    handle = await runs.begin(BATCH % ("true", limit), {"source_files": FILES})
    stub.wait_for(lambda calls: _open(calls) == reached, 20)
    await runs.completed("name: meanwhile\nsteps: [{name: other, type: test_echo, value: 1}]")
    assert _open(stub.calls()) == reached, "while all are held, nobody asks for more"
    stub.release("all")
    ended = await runs.end(handle, 60)
    result = ended.value(STEP)
    assert [(part["index"], part["result"]) for part in result["results"]] == list(enumerate(RESULTS))
    assert [group["completed"] for group in result["batches"]] == [5] * 8
    assert stub.most_open() == _most_scheduled(ended) == reached
    assert len(stub.calls()) == len(FILES)


async def test_items_run_one_after_another_where_nothing_is_parallel(runs: Runner, stub: StubServer) -> None:
    ended = await runs.completed(BATCH % ("false", 10), {"source_files": FILES[:6]})
    assert stub.most_open() == _most_scheduled(ended) == 1
    assert [call.asked.prompt for call in stub.calls()] == [f"Analyze this file: {file}" for file in FILES[:6]]


@pytest.fixture
async def own(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """Runs on a cluster whose processes a test may kill: one that decides and two that execute."""
    lease = {"ELEXIRION_LEASE_S": "3", "ELEXIRION_LEASE_MARGIN_S": "1"}
    async with cluster.tape() as tape:
        deciding = cluster.start("deciding", roles="orchestrator", **lease)
        workers = [cluster.start(f"worker-{n}", roles="lanes", lanes="claude,local", **lease) for n in (1, 2)]
        await cluster.ready(tape, deciding, *workers)
        await cluster.deciding(tape)
        async with client_of(cluster) as client:
            yield Runner(client, tmp_path_factory.mktemp("own"))


async def test_a_killed_worker_has_only_its_unfinished_items_redone(
    own: Runner, cluster: Cluster, stub: StubServer
) -> None:
    """The first items answer at once, later ones are held; the worker of some of these dies."""
    first = [Rule(contains=file, answer=Answer()) for file in FILES[:12]]
    stub.script(*first, Rule(answer=Answer(hold_before_chunk=1)))
    handle = await own.begin(BATCH % ("true", 10), {"source_files": FILES})
    stub.wait_for(lambda calls: len(calls) == 22 and _open(calls) == 10, 20)
    held = await _open_executions(own, handle.run_id)
    killed = held[0].incarnation
    cluster.workers[killed.rpartition(".")[0]].kill()
    stub.release()
    ended = await own.end(handle, 60)

    result = ended.value(STEP)
    assert [(part["index"], part["result"]) for part in result["results"]] == list(enumerate(RESULTS))
    lost = {execution.step for execution in held if execution.incarnation == killed}
    asked = Counter(_step_of(call) for call in stub.calls())
    assert asked == {f"{STEP}/{n}": 1 + (f"{STEP}/{n}" in lost) for n in range(len(FILES))}
    assert 0 < len(lost) < 10
    assert {data.incarnation for data in ended.of(StepOrphaned)} == {killed}
    assert len({call.asked.call_id for call in stub.calls()}) == len(stub.calls())
    assert _most_scheduled(ended) == 10


async def _open_executions(runner: Runner, run_id: str) -> list[Execution]:
    state = (await runner.client.read(run_id)).state
    assert state is not None
    return state.open_executions()


def _step_of(call: StubCall) -> str:
    """The path of the step in `run/step#n/call`."""
    return str(call.asked.call_id).split("/", 1)[1].partition("#")[0]
