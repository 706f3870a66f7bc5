"""A step that takes its worker along, again and again: it fails as poison, and everything else goes on.

The step calls a function of the operator's that kills its own process, as a library with an error in its native part
would. The workers are kept by `--supervise`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction

# Kills its process as often as there are files `left-N`, each once.
FUNCTION = """\
import os, pathlib, signal

def deadly():
    for one in pathlib.Path(__file__).parent.glob("left-*"):
        one.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"
"""
DEADLY = """\
name: deadly
gemini_functions:
  deadly: {description: Kills., parameters: {type: object, properties: {}}}
steps:
  - {name: kill, type: gemini_function, functions: [deadly], prompt: "Call it."}
"""
NEIGHBOUR = "name: neighbour\nsteps: [{name: a, type: test_echo, value: 1}, {name: b, type: test_echo, value: 2}]\n"
EVERY_S = 0.3
SETTINGS = {
    "ELEXIRION_LEASE_S": "2",
    "ELEXIRION_LEASE_MARGIN_S": "0.5",
    "ELEXIRION_GROUP_SESSION_TIMEOUT_S": "2",
    "ELEXIRION_LOCAL_FALLBACK": "false",  # both may be dead at a time: what kills workers is not for an orchestrator
}


@pytest.mark.timeout(180)
async def test_a_step_that_kills_three_workers_is_poison_and_is_tried_on_where_the_limit_is_off(
    cluster: Cluster, stub: StubServer, tmp_path: Path
) -> None:
    stub.script(Rule(answer=Answer(functions=(ScriptedFunction(name="deadly", arguments={}),))))
    (tmp_path / "deadly_function.py").write_text(FUNCTION)
    function = {"PYTHONPATH": str(tmp_path), "ELEXIRION_FUNCTIONS": "deadly_function:deadly"}
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        deciding = cluster.start("decides", roles="orchestrator", **SETTINGS)
        kept = [
            cluster.start(name, roles="lanes", lanes="gemini,local", more=("--supervise",), **SETTINGS, **function)
            for name in ("one", "two")
        ]
        await cluster.ready(tape, deciding, *kept)
        await cluster.deciding(tape)

        _deaths(tmp_path, 10)
        async with _neighbours(publisher, tape) as neighbours:
            run = await _deadly(publisher)
            end = await tape.end_of(run, 90)
        assert end.type == "RunFailed"
        assert end.raw["failure"]["kind"] == "poison"
        assert "took its worker along 3 times" in end.raw["failure"]["message"]
        assert [e.closed_by for e in tape.state(run).executions.values()] == ["orphaned"] * 3
        for one in neighbours:
            await tape.completed(one, 60)

        deciding.kill()
        await cluster.ready(
            tape, cluster.start("limitless", roles="orchestrator", ELEXIRION_POISON_CRASHES="0", **SETTINGS)
        )
        _deaths(tmp_path, 3)
        run = await _deadly(publisher)
        await tape.completed(run, 90)
        assert [e.closed_by for e in tape.state(run).executions.values()] == ["orphaned"] * 3 + ["completed"]

        for worker in kept:
            worker.signal(signal.SIGTERM)
            await worker.ended(60)  # with any code: its worker may be dead at this moment, or not up again


def _deaths(folder: Path, count: int) -> None:
    for one in folder.glob("left-*"):
        one.unlink()
    for number in range(count):
        (folder / f"left-{number}").touch()


async def _deadly(publisher: Publisher) -> str:
    run = run_id("deadly")
    await publisher.start(run, DEADLY)
    return run


@asynccontextmanager
async def _neighbours(publisher: Publisher, tape: Tape) -> AsyncIterator[list[str]]:
    """Runs that start all the while."""
    runs: list[str] = []

    async def start() -> None:
        while True:
            runs.append(run_id("neighbour"))
            await publisher.start(runs[-1], NEIGHBOUR)
            await asyncio.sleep(EVERY_S)

    starting = asyncio.create_task(start())
    try:
        yield runs
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
