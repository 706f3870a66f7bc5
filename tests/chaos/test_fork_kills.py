"""The orchestrator dies around the record that accepts a fork: the command has one outcome, the new run starts once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from elexirion.agents.failpoints import MARKED_IN, SPECIFIED_BY, Failpoint
from elexirion.events.commands import ForkRun
from pydantic import TypeAdapter

from tests.chaos.keeper import Keeper
from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape

PIPELINE = """\
name: forking
steps:
  - {name: first, type: set_variable, variables: {tone: dry}}
  - {name: second, type: set_variable, variables: {tone: warm}}
"""
SETTINGS = {"ELEXIRION_GROUP_SESSION_TIMEOUT_S": "2"}
BEFORE, BETWEEN = "before-it-is-sent", "before-the-start"
POINTS = (
    Failpoint(at="decision.unsent", do="kill", run=BEFORE),
    Failpoint(at="decision.sent", do="kill", run=BETWEEN),
)


@pytest.mark.timeout(180)
async def test_a_fork_whose_orchestrator_dies_gives_one_run_however_often_it_is_asked_for(
    cluster: Cluster, tmp_path: Path
) -> None:
    armed = {SPECIFIED_BY: TypeAdapter(tuple[Failpoint, ...]).dump_json(POINTS).decode(), MARKED_IN: str(tmp_path)}
    olds = [run_id(BEFORE), run_id(BETWEEN)]
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        calm = cluster.start("calm", roles="orchestrator", **SETTINGS)
        await cluster.ready(tape, calm)
        for old in olds:
            await publisher.start(old, PIPELINE)
            await tape.completed(old, 40)
        calm.kill()

        start = partial(cluster.start, "dies", "orchestrator", **SETTINGS, **armed)
        await cluster.ready(tape, start())
        async with Keeper(cluster, {"dies": start}) as keeper:
            for old in olds:
                fork = ForkRun(new_run_id=f"new-{old}", from_step="second")
                await publisher.command(fork, old, f"fork-{old}")
                await tape.until(partial(_ended, tape, f"new-{old}"), 60, "the new run ends")
                await publisher.command(fork, old, f"fork-{old}")
                await publisher.command(fork, old, f"again-{old}")
                await tape.until(partial(_twice, tape, old), 60, "the other command has its outcome")
        assert sum(keeper.ends.values()) == len(POINTS)
    _all_fired(tmp_path)
    for old in olds:
        _one_run(tape, old)


def _all_fired(marks: Path) -> None:
    assert {file.name for file in marks.iterdir()} == {point.mark for point in POINTS}


def _ended(tape: Tape, run: str) -> object:
    return tape.accepted(run, "RunCompleted")


def _twice(tape: Tape, old: str) -> bool:
    """The second command was accepted as well, and the start that it asks for refused: that run exists."""
    return bool(tape.named(f"new-{old}", "CommandRejected"))


def _one_run(tape: Tape, old: str) -> None:
    outcomes = [seen for seen in tape.counted("RunForked", "CommandRejected") if seen.record.run_id == old]
    assert sorted(seen.record.raw["command_id"] for seen in outcomes) == [f"again-{old}", f"fork-{old}"]
    [started] = [seen for seen in tape.counted("RunStarted") if seen.record.run_id == f"new-{old}"]
    assert started.record.raw["fork_of"] == old
    assert len(tape.accepted(f"new-{old}", "RunCompleted")) == 1
    assert tape.state(f"new-{old}").steps["first"].carried_from == f"{old}/first"
    [refused] = tape.named(f"new-{old}", "CommandRejected")
    assert refused.record.raw["reason_code"] == "run_exists"
