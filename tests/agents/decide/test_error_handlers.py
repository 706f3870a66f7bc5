"""The steps of `on_error`: they run when a run is about to fail, and it fails all the same."""

from datetime import timedelta
from typing import Any

from elexirion.agents.evaluated import Asking, Calling, NotPossible, Sleeping
from elexirion.agents.plan import StepPlan
from elexirion.agents.questions import AboutOutput
from elexirion.events.commands import ChildEnded, PauseRun, ResumeRun, RunSource, Signal
from elexirion.events.failure import Failure
from elexirion.events.identifiers import child_run_id
from elexirion.events.values import Inline

from tests.agents.decide.given import kinds, planned
from tests.agents.decide.nested import Nested, batch, loop
from tests.projections.partition_log import RUN, failure

NO_KEY = failure("auth", "no key")
CALLING = Calling(Inline(value={}), {}, RunSource())


def scheduled(*paths: str) -> list[str]:
    return [f"StepScheduled {RUN}/{path}#1" for path in paths]


def handled(*steps: StepPlan, on_error: tuple[StepPlan, ...] = (planned("h"),), **fields: Any) -> Nested:
    return Nested(*(steps or (planned("a"), planned("b"))), on_error=on_error, **fields)


def test_a_run_that_is_about_to_fail_runs_its_handlers_first() -> None:
    given = handled(on_error=(planned("h"), planned("i", "h")))
    given.then()
    given.fail("a", NO_KEY)
    assert kinds(given.then()) == ["ErrorHandlingStarted a", *scheduled("h")]
    assert given.state.failing and given.state.failing.failure == NO_KEY
    given.finish("h")
    assert kinds(given.then()) == scheduled("i")
    given.finish("i")
    assert kinds(given.then()) == ["RunFailed a"]
    assert (given.state.failure, given.state.failed_step) == (NO_KEY, "a")


def test_what_was_open_is_closed_and_its_reports_are_late() -> None:
    given = handled()
    given.then()
    given.begin("b")
    given.fail("a", NO_KEY)
    given.then()
    assert given.state.executions[f"{RUN}/b#1"].closed_by == "run_ended"
    assert given.complete("b") == "execution_closed"


def test_nothing_of_the_pipeline_itself_goes_on() -> None:
    given = handled(planned("a"), planned("b"), planned("c", "b"))
    given.then()
    given.finish("b")
    given.fail("a", NO_KEY)
    assert kinds(given.then()) == ["ErrorHandlingStarted a", *scheduled("h")]


def test_a_handler_that_fails_leaves_the_first_failure_as_the_reason() -> None:
    given = handled()
    given.then()
    given.fail("a", NO_KEY)
    given.then()
    given.fail("h", failure("invalid_request", "no such model"))
    assert kinds(given.then()) == ["RunFailed a"]
    assert given.state.failure == NO_KEY


def test_a_failed_handler_does_not_wait_for_steps_that_were_open_before() -> None:
    given = handled(planned("a"), planned("b"), loop("l", planned("c")))
    given.then()
    given.fail("a", NO_KEY)
    given.then()
    given.fail("h", NO_KEY)
    assert kinds(given.then()) == ["RunFailed a"]


def test_a_handler_is_tried_again_like_any_step() -> None:
    given = handled()
    given.then()
    given.fail("a", NO_KEY)
    given.then()
    given.fail("h")
    assert kinds(given.then()) == ["StepRetryScheduled h"]
    given.at(given.now + timedelta(seconds=60))
    assert kinds(given.then()) == [f"StepScheduled {RUN}/h#2"]


def test_handlers_may_hold_steps_themselves() -> None:
    given = handled(on_error=(batch("h"),), opens={"h": 2})
    given.then()
    given.fail("a", NO_KEY)
    assert kinds(given.then()) == ["ErrorHandlingStarted a", "StepExpanded h", *scheduled("h/0", "h/1")]
    given.finish("h/0", "h/1")
    assert kinds(given.then()) == ["StepConcluded h", "RunFailed a"]


def test_a_handler_may_ask_a_person_and_a_question_of_before_is_answered_no_more() -> None:
    ask = StepPlan("ask", "approval", None)
    given = handled(planned("a"), ask, on_error=(StepPlan("sure", "approval", None),))
    said = {name: Asking("May I?") for name in ("ask", "sure")}
    given.then(evaluations=said)
    given.fail("a", NO_KEY)
    given.then(evaluations=said)
    assert given.told(Signal(name="approve"), "s") == "SignalReceived"
    assert kinds(given.then()) == ["StepConcluded sure", "RunFailed a"]


def test_a_delay_of_before_wakes_nobody() -> None:
    given = handled(planned("a"), StepPlan("d", "delay", None))
    given.then(evaluations={"d": Sleeping(60.0)})
    given.fail("a", NO_KEY)
    given.then()
    assert given.state.steps["d"].due_at is None


def test_a_child_run_of_before_is_nobodys_any_more() -> None:
    given = handled(planned("a"), StepPlan("p", "pipeline", None))
    given.then(evaluations={"p": CALLING})
    given.fail("a", NO_KEY)
    given.then()
    child = child_run_id(RUN, "p", 0)
    assert (given.state.children, given.state.left_children) == ({}, (child,))
    assert given.told(ChildEnded(child_run_id=child, step="p", status="completed"), "e") == "no_such_child"


def test_an_output_that_cannot_be_made_is_handled_too() -> None:
    given = handled(planned("a"))
    given.then()
    given.finish("a")
    bad = NotPossible(Failure(kind="evaluation", message="output: no"))
    records = given.then(answers={AboutOutput(): bad})
    assert kinds(records) == ["ErrorHandlingStarted", *scheduled("h")]
    given.finish("h")
    given.then()
    assert (given.state.failure, given.state.failed_step) == (bad.failure, None)


def test_a_run_that_completes_runs_no_handlers() -> None:
    given = handled(planned("a"))
    given.then()
    given.finish("a")
    assert kinds(given.then()) == ["RunCompleted"]
    assert "h" not in given.state.steps


def test_a_paused_run_handles_its_error_once_it_is_resumed() -> None:
    given = handled(planned("a"))
    given.then()
    given.told(PauseRun(), "pause")
    given.fail("a", NO_KEY)
    assert kinds(given.then()) == ["ErrorHandlingStarted a"]
    assert given.then() == []
    given.told(ResumeRun(), "resume")
    assert kinds(given.then()) == scheduled("h")
