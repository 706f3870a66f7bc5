"""Runs that wait for their users keep on waiting when the process that decided for them is killed."""

from __future__ import annotations

from functools import partial

import pytest
from elexirion.events.commands import PauseRun, ResumeRun
from elexirion.events.partitioner import partition_of
from elexirion.events.record_model import RecordModel

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Seen, Tape

TAKEN_OVER_WITHIN_S = 40
LOOPING = """\
name: looping
steps:
  - name: each
    type: for_loop
    over: [1, 2, 3]
    steps: [{name: say, type: test_echo, value: "{{ item }}", delay_ms: 1500}]
  - name: below
    type: pipeline
    needs: []
    pipeline:
      name: below
      steps: [{name: one, type: test_echo, value: 1, delay_ms: 1500}, {name: two, type: test_echo, value: 2}]
"""
ASKING = """\
name: asking
steps:
  - {name: release, type: approval, message: "Publish?", timeout: %s, on_timeout: approve}
  - {name: publish, type: test_echo, value: "{{ steps.release }}"}
"""

pytestmark = pytest.mark.timeout(180)


async def test_a_pause_and_an_approval_survive_the_process_that_decided_them(cluster: Cluster) -> None:
    """In loops and child runs too, nothing starts until the run goes on; then all of it runs once."""
    async with cluster.tape() as tape:
        await cluster.ready(tape, cluster.start("one"), cluster.start("two"))
        await cluster.deciding(tape)
        paused, timed, asked = _on_one_partition(8, "paused", "timed", "asked")
        async with cluster.publisher() as publisher:
            await publisher.start(paused, LOOPING)
            child = (await tape.event(paused, "ChildRunStarted")).record.raw["child_run_id"]
            for run in (paused, child):
                await tape.event(run, "StepStarted")
            await publisher.command(PauseRun(reason="lunch"), paused, "pause")
        for run in (paused, child):
            await tape.event(run, "RunPaused")
            await tape.event(run, "StepCompleted")
        await _ask(cluster, tape, timed, "9s")
        await _ask(cluster, tape, asked, "10m")

        cluster.workers[tape.named(paused, "RunPaused")[0].author.rpartition(".")[0]].kill()

        await _rejected(cluster, tape, paused, PauseRun())
        assert await cluster.call("signal", asked, "reject", "--value", "a typo") == {
            "run_id": asked, "signal": "reject", "step": "release",
        }  # fmt: skip
        assert (await tape.completed(asked)).raw["result"]["value"] == {
            "decision": "rejected", "because": "signal", "value": "a typo",
        }  # fmt: skip
        await _by_its_timeout(tape, timed)
        for run in (paused, child):
            assert tape.state(run).status == "paused"
            _nothing_between(tape, run, "RunPaused", None)

        async with cluster.publisher() as publisher:
            await publisher.command(ResumeRun(), paused, "resume")
        for run in (paused, child):
            await tape.event(run, "RunCompleted")
            _nothing_between(tape, run, "RunPaused", "RunResumed")
        assert len(tape.accepted(paused, "StepCompleted")) == len(tape.accepted(paused, "StepScheduled")) == 3


def _on_one_partition(count: int, *names: str) -> list[str]:
    """Run ids whose runs are decided by one process."""
    first = run_id(names[0])
    wanted = partition_of(first, count)
    return [first, *(next(id for id in iter(partial(run_id, name), "") if partition_of(id, count) == wanted)
                     for name in names[1:])]  # fmt: skip


async def _ask(cluster: Cluster, tape: Tape, run: str, timeout: str) -> None:
    async with cluster.publisher() as publisher:
        await publisher.start(run, ASKING % timeout)
    await tape.event(run, "ApprovalRequested")


async def _rejected(cluster: Cluster, tape: Tape, run: str, command: RecordModel) -> None:
    """Another process decides for the run now, and says that the command does not apply."""
    async with cluster.publisher() as publisher:
        await publisher.command(command, run, "again")
    rejected = await tape.event(run, "CommandRejected", TAKEN_OVER_WITHIN_S)
    assert rejected.record.raw["reason"] == "the run is paused"


async def _by_its_timeout(tape: Tape, run: str) -> None:
    """The answer that the timeout stands for, not before it was due."""
    end = await tape.completed(run, TAKEN_OVER_WITHIN_S)
    assert end.raw["result"]["value"] == {"decision": "approved", "because": "timeout"}
    (concluded,) = tape.accepted(run, "StepConcluded")
    (requested,) = tape.accepted(run, "ApprovalRequested")
    assert concluded.at.isoformat() >= requested.raw["due_at"].replace("Z", "+00:00")


def _nothing_between(tape: Tape, run: str, first: str, last: str | None) -> None:
    """No step starts between two events of the run."""
    seen: list[Seen] = tape.of_run(run)
    types = [one.record.type for one in seen]
    begin = types.index(first)
    end = types.index(last) if last else len(types)
    assert "StepScheduled" not in types[begin:end]
    assert "IterationStarted" not in types[begin:end]
