"""A paused run: what is under way ends and counts, nothing new starts, wherever it stands."""

import pytest
from elexirion.agents.plan import StepPlan
from elexirion.events.commands import PauseRun, ResumeRun
from elexirion.events.run import RunPaused, RunResumed

from tests.agents.decide.given import kinds, planned
from tests.agents.decide.nested import Nested, batch, loop
from tests.projections.partition_log import RUN


def pause(given: Nested) -> None:
    given.receive(PauseRun(), "pause")
    given.decide(RunPaused(command_id="pause"))


def resume(given: Nested) -> None:
    given.receive(ResumeRun(), "resume")
    given.decide(RunResumed(command_id="resume"))


CASES: dict[str, tuple[tuple[StepPlan, ...], str, str]] = {
    "steps": ((planned("a"), planned("b", "a")), "a", "b"),
    "a loop": ((loop("l", planned("x")),), "l/0/x", "l/1/x"),
    "a batch": ((batch("l", most=1),), "l/0", "l/1"),
}


@pytest.mark.parametrize(("steps", "open_", "following"), CASES.values(), ids=CASES)
def test_an_open_execution_ends_and_counts_and_nothing_new_starts_until_it_goes_on(
    steps: tuple[StepPlan, ...], open_: str, following: str
) -> None:
    given = Nested(*steps, opens={"l": 2} if len(steps) == 1 else {})
    given.then()
    given.begin(open_)
    pause(given)
    assert given.then() == []
    given.finish(open_)
    assert given.state.steps[open_].status == "completed"
    assert given.then() == []
    resume(given)
    assert f"StepScheduled {RUN}/{following}#1" in kinds(given.then())


def test_a_step_that_failed_while_paused_is_tried_again_only_afterwards() -> None:
    given = Nested(planned("a"))
    given.then()
    pause(given)
    given.fail("a")
    assert given.then() == []
    resume(given)
    assert kinds(given.then()) == ["StepRetryScheduled a"]


def test_a_paused_run_does_not_complete() -> None:
    given = Nested(planned("a"))
    given.then()
    pause(given)
    given.complete("a")
    assert given.then() == []
    resume(given)
    assert kinds(given.then()) == ["RunCompleted"]
