"""Each time of a schedule is one run, and a run begins at its time, whoever dies around it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from elexirion.agents.failpoints import MARKED_IN, SPECIFIED_BY, Failpoint
from elexirion.events.commands import CancelRun, StartRun
from elexirion.events.schedule import Schedule, ScheduleFired
from pydantic import TypeAdapter

from tests.chaos.history import examined
from tests.chaos.keeper import Keeper
from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape

EVERY_S = 2
RUNS = 8
WAITS_S = 6.0
SOON_S = 15.0
"""A takeover and a busy machine fit in."""
PIPELINE = {"name": "tick", "steps": [{"name": "say", "type": "test_echo", "value": "tick"}]}
SCHEDULE = run_id("ticking")
QUICK = {
    "ELEXIRION_LEASE_S": "3", "ELEXIRION_LEASE_MARGIN_S": "1", "ELEXIRION_GROUP_SESSION_TIMEOUT_S": "2",
}  # fmt: skip
DEATHS = [
    Failpoint(at="decision.sent", do="kill", nth=2, run=SCHEDULE),
    Failpoint(at="decision.unsent", do="kill", nth=3, run=SCHEDULE),
]
"""Behind a firing that is in the log, whose run nobody has asked for yet; and before one, in another process."""

pytestmark = [pytest.mark.timeout(240), pytest.mark.quiet]


@pytest.fixture
def deadly(kafka: str, tmp_path: Path) -> Iterator[Cluster]:
    """Workers that die around firings, each time once."""
    marks = tmp_path / "marks"
    marks.mkdir()
    armed = {SPECIFIED_BY: TypeAdapter(list[Failpoint]).dump_json(DEATHS).decode(), MARKED_IN: str(marks)}
    with Cluster(kafka, tmp_path, QUICK | armed) as cluster:
        yield cluster


async def test_each_time_of_a_schedule_is_one_run_whoever_dies_around_it(deadly: Cluster, tmp_path: Path) -> None:
    later = run_id("later")
    async with deadly.tape() as tape, deadly.publisher() as publisher:
        await deadly.ready(tape, deadly.start("one"), deadly.start("two"))
        await deadly.deciding(tape)
        async with Keeper(deadly, {name: partial(deadly.start, name) for name in ("one", "two")}):
            start_at = datetime.now(UTC) + timedelta(seconds=WAITS_S)
            await publisher.command(StartRun(pipeline=PIPELINE, start_at=start_at), later, "later")
            rule = Schedule(cron=f"*/{EVERY_S} * * * * *", missed="all")
            await publisher.command(StartRun(pipeline=PIPELINE, schedule=rule), SCHEDULE, "add")
            await tape.until(lambda: len(_fired(tape)) >= RUNS, 90, "the schedule goes on")
            await publisher.command(CancelRun(), SCHEDULE, "remove")
            await tape.event(SCHEDULE, "RunCancelled", SOON_S)
            for fired in _fired(tape):
                await tape.completed(fired.fired_run_id, 30)
            await tape.completed(later)
        assert {mark.name for mark in (tmp_path / "marks").glob("[!.]*")} == {death.mark for death in DEATHS}
        _each_once(tape)
        first = tape.accepted(later, "StepScheduled")[0]
        assert 0 <= (first.at - start_at).total_seconds() < SOON_S
    assert await _found_at_rest(deadly) == []


async def _found_at_rest(cluster: Cluster) -> list[str]:
    """What the checker finds once the last ends were told to the schedule, which was removed by then."""
    async with asyncio.timeout(60):
        while True:
            found = (await examined(cluster.bootstrap, cluster.topics)).violations
            if not {one.kind for one in found} & {"command_lost", "command_without_outcome"}:
                return [str(one) for one in found]
            await asyncio.sleep(1)


def _fired(tape: Tape) -> list[ScheduleFired]:
    return [one.data for one in tape.accepted(SCHEDULE, "ScheduleFired") if isinstance(one.data, ScheduleFired)]


def _each_once(tape: Tape) -> None:
    """No time is left out and none comes twice; each has one run that started once."""
    fired = _fired(tape)
    assert {(after.due_at - before.due_at).total_seconds() for before, after in pairwise(fired)} == {EVERY_S}
    for one in fired:
        assert len(tape.accepted(one.fired_run_id, "RunStarted")) == 1
        assert len(tape.accepted(one.fired_run_id, "StepCompleted")) == 1
