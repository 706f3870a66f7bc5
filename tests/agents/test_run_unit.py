"""An active run under its supervisor: it works on from the log after a crash, until it is set aside."""

from collections.abc import AsyncIterator

import pytest
from elexirion.agents.orchestrator.run_unit import RunUnit
from elexirion.events import step

from tests.agents.desk_of_one import MemoryDesk, Plans
from tests.agents.working import until

RUN = "run-1"
WHOLE = ["StepScheduled", "StepCompleted", "StepScheduled", "StepCompleted", "RunCompleted"]


class Stage:
    """One unit at a desk."""

    def __init__(self, desk: MemoryDesk) -> None:
        self.desk = desk
        self.plans = Plans()
        self.given_up: list[tuple[str, str]] = []
        self.unit = RunUnit(RUN, desk, self.plans, self._gave_up)
        desk.wake = lambda run_id: self.unit.wake()

    async def _gave_up(self, run_id: str, reason: BaseException) -> None:
        self.given_up.append((run_id, str(reason)))

    def fail_times(self, times: int) -> list[int]:
        """Evaluating raises this often; the list counts down."""
        left = [times]

        def trouble(run_id: str) -> None:
            if left[0]:
                left[0] -= 1
                raise ValueError("the context is broken")

        self.plans.trouble = trouble
        return left


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A unit that is not started yet."""
    stage = Stage(MemoryDesk(RUN))
    yield stage
    await stage.unit.supervisor.stop()


async def test_a_run_goes_from_its_start_to_its_end(stage: Stage) -> None:
    await stage.unit.supervisor.start()
    await until(lambda: stage.desk.status(RUN) == "completed")
    assert stage.desk.types(RUN) == WHOLE
    assert stage.plans.evaluated == ["one", "two"]


@pytest.mark.parametrize("crashes", [1, 2, 3])
async def test_a_context_that_raises_is_restarted_and_the_run_goes_on(stage: Stage, crashes: int) -> None:
    stage.fail_times(crashes)
    await stage.unit.supervisor.start()
    await until(lambda: stage.desk.status(RUN) == "completed")
    assert stage.desk.types(RUN) == WHOLE
    assert stage.unit.window.count == crashes
    assert not stage.given_up


async def test_a_run_that_crashes_again_and_again_is_given_up_once(stage: Stage) -> None:
    left = stage.fail_times(100)
    await stage.unit.supervisor.start()
    await until(lambda: stage.given_up)
    stage.unit.wake()
    assert stage.given_up == [(RUN, "the context is broken")]
    assert left == [96]
    assert stage.desk.types(RUN) == []


async def test_a_crash_in_the_middle_goes_on_from_the_log_and_repeats_nothing(stage: Stage) -> None:
    calls = iter(range(100))

    def trouble(run_id: str) -> None:
        if next(calls) == 1:
            raise ValueError("the second evaluation")

    stage.plans.trouble = trouble
    await stage.unit.supervisor.start()
    await until(lambda: stage.desk.status(RUN) == "completed")
    assert stage.desk.types(RUN) == WHOLE
    assert stage.plans.evaluated == ["one", "two"]


async def test_nothing_is_decided_while_an_own_decision_is_unread(stage: Stage) -> None:
    stage.desk.unread.add(RUN)
    await stage.unit.supervisor.start()
    await until(lambda: stage.unit.steps.turns == 1)
    assert stage.desk.types(RUN) == []
    stage.desk.unread.clear()
    stage.unit.wake()
    await until(lambda: stage.desk.status(RUN) == "completed")


async def test_an_evaluation_that_the_log_overtook_is_not_decided_upon(stage: Stage) -> None:
    """The state changes while a template is rendered: the decision is made on the new one."""
    before = stage.desk.states[RUN]

    def overtaken(run_id: str) -> None:
        stage.desk.states[RUN] = stage.desk.states[RUN].__class__(**{**before.__dict__, "tags": {"newer": "yes"}})
        stage.plans.trouble = lambda run_id: None

    stage.plans.trouble = overtaken
    await stage.unit.supervisor.start()
    await until(lambda: stage.desk.status(RUN) == "completed")
    assert stage.desk.states[RUN].tags == {"newer": "yes"}
    assert stage.plans.evaluated == ["one", "two"]


async def test_a_run_without_a_free_slot_waits_for_its_lane() -> None:
    stage = Stage(MemoryDesk(RUN, slots=0))
    await stage.unit.supervisor.start()
    await until(lambda: stage.desk.waiting)
    assert stage.desk.waiting == [(RUN, frozenset({"local"}))]
    assert stage.desk.types(RUN) == []
    stage.desk.slots = 1
    stage.unit.wake()
    await until(lambda: stage.desk.status(RUN) == "completed")
    await stage.unit.supervisor.stop()


async def test_an_open_execution_sets_an_alarm_for_its_time_and_the_grace() -> None:
    stage = Stage(MemoryDesk(RUN, works=False))
    await stage.unit.supervisor.start()
    await until(lambda: stage.desk.alarms.get(RUN))
    (scheduled,) = stage.desk.records
    assert isinstance(scheduled.data, step.StepScheduled)
    due = stage.desk.alarms[RUN]
    assert due is not None
    assert 305 <= (due - scheduled.at).total_seconds() < 310
    await stage.unit.supervisor.stop()
