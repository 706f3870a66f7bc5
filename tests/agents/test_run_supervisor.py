"""One-for-one over the runs: one that crashes is set aside, its neighbours go on, idle ones are parked."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from elexirion.agents.orchestrator import run_supervisor
from elexirion.agents.orchestrator.run_supervisor import GivenUp, RunSupervisor

from tests.agents.desk_of_one import MemoryDesk, Plans
from tests.agents.working import until

GOOD, BAD = "good", "bad"

BOOM = "working on the run crashed again and again: ValueError: boom"


class Stage:
    """Two runs, of which one may crash."""

    def __init__(self) -> None:
        self.desk = MemoryDesk(GOOD, BAD)
        self.plans = Plans()
        self.quarantined: list[tuple[str, str]] = []
        self.slowly = asyncio.Event()
        self.slowly.set()
        self.runs = RunSupervisor(self.desk, self.plans, self._quarantine)
        self.desk.wake = self.runs.wake

    async def _quarantine(self, run_id: str, given_up: GivenUp) -> None:
        await self.slowly.wait()
        self.quarantined.append((run_id, given_up.reason))

    def break_bad(self) -> None:
        def trouble(run_id: str) -> None:
            if run_id == BAD:
                raise ValueError("boom")

        self.plans.trouble = trouble


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Nothing is active yet."""
    stage = Stage()
    yield stage
    await stage.runs.stop()


async def test_a_run_that_crashes_is_set_aside_and_its_neighbour_ends_well(stage: Stage) -> None:
    stage.break_bad()
    stage.runs.wake(BAD)
    stage.runs.wake(GOOD)
    await until(lambda: stage.quarantined and stage.desk.status(GOOD) == "completed")
    assert stage.quarantined == [(BAD, BOOM)]
    assert stage.runs.given_up == {BAD: GivenUp(BOOM, 4)}
    assert stage.runs.ids() == [GOOD]


async def test_a_quarantine_that_takes_time_is_not_cut_off_by_the_end_of_its_unit(stage: Stage) -> None:
    stage.break_bad()
    stage.slowly.clear()
    stage.runs.wake(BAD)
    await until(lambda: stage.runs.given_up)
    unit_tasks = asyncio.all_tasks()
    for _ in range(50):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() & unit_tasks
    stage.slowly.set()
    await until(lambda: stage.quarantined == [(BAD, BOOM)])


async def test_a_run_that_was_set_aside_is_not_worked_on_again_but_said_again(stage: Stage) -> None:
    stage.break_bad()
    stage.runs.wake(BAD)
    await until(lambda: stage.quarantined)
    stage.runs.wake(BAD)
    await until(lambda: len(stage.quarantined) == 2)
    assert stage.runs.unit(BAD) is None


async def test_an_idle_run_is_parked_and_wakes_up_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.desk.works = False
    stage.runs.wake(GOOD)
    await until(lambda: stage.desk.records)
    stage.runs.park_idle()
    assert stage.runs.ids() == [GOOD], "something happened just now"

    monkeypatch.setattr(run_supervisor, "PARK_AFTER_S", -1.0)
    first = stage.runs.unit(GOOD)
    assert first is not None
    stage.runs.park_idle()
    assert len(stage.runs) == 0
    await until(lambda: first.supervisor.should_stop and first.steps.should_stop)

    scheduled = stage.desk.records[0].data
    stage.desk.works = True
    stage.desk.complete(GOOD, scheduled)  # type: ignore[arg-type]  # the first record is StepScheduled
    stage.runs.wake(GOOD)
    assert stage.runs.unit(GOOD) is not first
    await until(lambda: stage.desk.status(GOOD) == "completed")
    assert stage.plans.evaluated == ["one", "two"]


async def test_a_discarded_run_is_worked_on_no_more(stage: Stage) -> None:
    stage.desk.works = False
    stage.runs.wake(GOOD)
    await until(lambda: stage.desk.records)
    unit = stage.runs.unit(GOOD)
    assert unit is not None
    stage.runs.discard(GOOD)
    await until(lambda: unit.steps.should_stop)
    turns = unit.steps.turns
    unit.wake()
    for _ in range(20):
        await asyncio.sleep(0)
    assert unit.steps.turns == turns


@pytest.mark.parametrize("ticks", range(8))
async def test_a_run_discarded_while_it_starts_leaves_no_task_behind(stage: Stage, ticks: int) -> None:
    stage.desk.wake = lambda run_id: None
    before = len(asyncio.all_tasks())
    stage.runs.wake(GOOD)
    for _ in range(ticks):
        await asyncio.sleep(0)
    stage.runs.discard(GOOD)
    await until(lambda: len(asyncio.all_tasks()) == before)


async def test_a_run_whose_log_cannot_be_folded_is_quarantined_and_decides_nothing_more(stage: Stage) -> None:
    stage.runs.wake(BAD)
    await until(lambda: stage.runs.unit(BAD))
    for _ in range(2):
        stage.runs.set_aside(BAD, "StepCompleted at offset 7 could not be folded: KeyError")
    assert stage.runs.unit(BAD) is None
    stage.runs.wake(GOOD)
    await until(lambda: stage.quarantined and stage.desk.status(GOOD) == "completed")
    assert set(stage.quarantined) == {(BAD, "StepCompleted at offset 7 could not be folded: KeyError")}
    assert stage.runs.given_up[BAD].crashes == 1


async def test_a_run_that_is_to_be_woken_soon_is_woken_without_anybody_else(stage: Stage) -> None:
    stage.runs.wake_soon(GOOD)
    assert stage.runs.ids() == []
    await until(lambda: stage.desk.status(GOOD) == "completed")


async def test_whatever_wakes_a_run_before_makes_up_for_soon(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(RunSupervisor, "wake", lambda runs, run_id: woken.append(run_id))
    soon = RunSupervisor(stage.desk, stage.plans, stage._quarantine)
    soon.wake_soon(GOOD)
    soon.wake_soon(GOOD)
    soon.wake_soon(BAD)
    soon.discard(BAD)
    await until(lambda: woken)
    monkeypatch.undo()
    soon.wake_soon(GOOD)
    soon.wake(GOOD)
    assert soon._soon == {}
    assert woken == [GOOD]
    await soon.stop()
