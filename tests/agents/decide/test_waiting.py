"""Steps that wait: for a time, for a person, for a child run."""

from datetime import timedelta
from typing import Any

import pytest
from elexirion.agents.evaluated import Asking, Calling, NotWanted, Sleeping
from elexirion.agents.plan import StepPlan
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events.commands import CancelRun, ChildEnded, PauseRun, ResumeRun, RunSource, Signal
from elexirion.events.failure import Failure
from elexirion.events.identifiers import child_run_id
from elexirion.events.usage import Usage
from elexirion.events.values import Inline

from tests.agents.decide.given import kinds, planned
from tests.agents.decide.nested import Nested, loop, switch
from tests.projections.partition_log import RUN, failure

CHILD = child_run_id(RUN, "p", 0)
CALLING = Calling(Inline(value={"name": "child", "steps": []}), {"topic": "x"}, RunSource(), 60.0)


def waits(name: str, **fields: Any) -> StepPlan:
    """A step that no worker runs."""
    return StepPlan(name, "delay", None, timeout_s=None, **fields)


def scheduled(*paths: str) -> list[str]:
    return [f"StepScheduled {RUN}/{path}#1" for path in paths]


# Delays -----------------------------------------------------------------------------------------------------


def test_a_delay_ends_when_its_time_has_come() -> None:
    given = Nested(waits("d"), planned("a", "d"))
    (timer,) = given.then(evaluations={"d": Sleeping(60.0)})
    assert timer.type == "TimerSet"
    due = given.state.steps["d"].due_at
    assert due == given.now + timedelta(seconds=60)
    assert given.at(due - timedelta(microseconds=1)).then() == []
    assert kinds(given.at(due).then()) == ["StepConcluded d", *scheduled("a")]
    assert given.state.steps["d"].result == Inline()


def test_a_delay_until_a_time_of_the_past_ends_at_once() -> None:
    given = Nested(waits("d"))
    until = given.now - timedelta(days=1)
    assert kinds(given.then(evaluations={"d": Sleeping(until=until)})) == [
        "TimerSet d",
        "StepConcluded d",
        "RunCompleted",
    ]


def test_a_delay_is_not_set_anew_by_whoever_takes_over() -> None:
    given = Nested(waits("d"))
    given.then(evaluations={"d": Sleeping(60.0)})
    assert given.then(evaluations={"d": Sleeping(90.0)}) == []


def test_no_time_is_too_far_for_a_calendar() -> None:
    given = Nested(waits("d"))
    given.then(evaluations={"d": Sleeping(1e300)})
    assert given.then() == []


def test_a_paused_run_goes_on_after_a_delay_once_it_is_resumed() -> None:
    given = Nested(waits("d"))
    given.then(evaluations={"d": Sleeping(60.0)})
    given.told(PauseRun(), "pause")
    given.at(given.now + timedelta(seconds=90))
    assert given.then() == []
    given.told(ResumeRun(), "resume")
    assert kinds(given.then()) == ["StepConcluded d", "RunCompleted"]


# Approvals --------------------------------------------------------------------------------------------------


def asked(timeout_s: float | None = None, **fields: Any) -> Nested:
    given = Nested(waits("ask", **fields), planned("a", "ask"))
    assert kinds(given.then(evaluations={"ask": Asking("May I?", timeout_s)})) == ["ApprovalRequested ask"]
    assert given.then() == []
    return given


def decision_of(given: Nested) -> dict[str, Any]:
    result = given.state.steps["ask"].result
    assert isinstance(result, Inline)
    return dict(result.value)


@pytest.mark.parametrize(("signal", "decision"), [("approve", "approved"), ("reject", "rejected")])
def test_a_signal_decides_an_approval(signal: str, decision: str) -> None:
    given = asked()
    assert given.told(Signal(name=signal), "s") == "SignalReceived"
    assert kinds(given.then()) == ["StepConcluded ask", *scheduled("a")]
    assert decision_of(given) == {"decision": decision, "because": "signal"}


def test_a_second_signal_before_the_first_was_acted_on_changes_nothing() -> None:
    given = asked()
    given.told(Signal(name="reject"), "s1")
    assert given.told(Signal(name="approve"), "s2") == "not_applicable"
    given.then()
    assert decision_of(given)["decision"] == "rejected"


@pytest.mark.parametrize(("on_timeout", "decision"), [("approve", "approved"), ("reject", "rejected")])
def test_an_approval_that_nobody_answers_is_what_its_timeout_says(on_timeout: Any, decision: str) -> None:
    given = asked(60.0, on_timeout=on_timeout)
    given.at(given.now + timedelta(seconds=60))
    assert kinds(given.then()) == ["StepConcluded ask", *scheduled("a")]
    assert decision_of(given) == {"decision": decision, "because": "timeout"}


def test_an_approval_that_nobody_answers_fails_where_nothing_else_is_said() -> None:
    given = asked(60.0)
    given.at(given.now + timedelta(seconds=60))
    assert kinds(given.then()) == ["StepRefused ask", "RunFailed ask"]


def test_an_answer_that_came_in_time_counts_though_it_is_acted_on_after_it() -> None:
    given = asked(60.0)
    given.told(Signal(name="approve"), "s")
    given.at(given.now + timedelta(hours=1))
    given.then()
    assert decision_of(given) == {"decision": "approved", "because": "signal"}


def test_a_signal_names_its_step_where_several_wait() -> None:
    given = Nested(waits("ask"), waits("other"))
    given.then(evaluations={name: Asking("May I?") for name in ("ask", "other")})
    assert given.told(Signal(name="approve"), "s1") == "not_applicable"
    assert given.told(Signal(name="approve", value={"step": "ask"}), "s2") == "SignalReceived"
    assert kinds(given.then()) == ["StepConcluded ask"]


def test_an_approval_of_a_turn_that_failed_meanwhile_waits_for_nobody_any_more() -> None:
    given = Nested(loop("l", waits("ask"), planned("a"), stops_at_error=False), opens={"l": 2})
    ask = {f"l/{index}/ask": Asking("May I?") for index in (0, 1)}
    given.then(evaluations=ask)
    given.fail("l/0/a", failure("auth"))
    given.then(evaluations=ask)
    assert given.state.steps["l/0/ask"].status == "pending"
    assert given.told(Signal(name="approve"), "s") == "SignalReceived"
    assert kinds(given.then()) == ["StepConcluded l/1/ask"]


def test_a_delay_in_a_branch_that_failed_is_over() -> None:
    given = Nested(switch("s", x=(waits("d"), planned("a"))), opens={"s": "x"})
    given.then(evaluations={"s/d": Sleeping(60.0)})
    given.fail("s/a", failure("auth"))
    assert kinds(given.then()) == ["StepRefused s", "RunFailed s"]
    assert given.state.steps["s/d"].due_at is None


# Child runs -------------------------------------------------------------------------------------------------


def called(**fields: Any) -> Nested:
    given = Nested(waits("p", **fields), planned("a", "p"))
    assert kinds(given.then(evaluations={"p": CALLING})) == ["ChildRunStarted p"]
    return given


def ended(status: Any = "completed", child: str = CHILD, **fields: Any) -> ChildEnded:
    said = {"result": Inline(value="fine"), "usage": Usage(input_tokens=3), "cost_usd": 0.5}
    return ChildEnded(child_run_id=child, step="p", status=status, **{**said, **fields})


def test_a_child_run_is_asked_for_once_and_by_an_id_that_follows_from_its_cause() -> None:
    given = called()
    assert given.then() == []
    child = given.state.children["p"]
    assert (child.run_id, child.command_id) == (CHILD, f"{RUN}/child/{CHILD}")
    assert (child.inputs, child.pipeline) == ({"topic": "x"}, CALLING.pipeline)


def test_a_child_that_completed_completes_its_step_and_its_cost_is_the_parents() -> None:
    given = called()
    assert given.told(ended(), "e") == "ChildRunEnded"
    assert kinds(given.then()) == scheduled("a")
    assert given.state.steps["p"].result == Inline(value="fine")
    assert (given.state.cost_usd, given.state.usage.input_tokens) == (0.5, 3)
    assert given.state.children == {}


def test_a_child_that_failed_fails_its_step() -> None:
    given = called()
    given.told(ended("failed", result=None, failure=Failure(kind="auth", message="no key")), "e")
    assert kinds(given.then()) == ["RunFailed p"]
    assert given.state.failure == Failure(kind="auth", message="no key")


@pytest.mark.parametrize("status", ["failed", "cancelled", "quarantined"])
def test_a_child_without_a_reason_still_gives_one(status: str) -> None:
    given = called()
    given.told(ended(status, result=None), "e")
    given.then()
    assert given.state.failure and given.state.failure.message == f"the child run {CHILD} {status}"


def test_a_child_that_failed_for_a_passing_reason_is_tried_again_as_another_run() -> None:
    given = called(retry=RetryRule(max_attempts=2))
    given.told(ended("failed", result=None, failure=failure("overloaded")), "e")
    assert kinds(given.then()) == ["StepRetryScheduled p"]
    given.at(given.state.steps["p"].due_at or given.now)
    assert kinds(given.then(evaluations={"p": CALLING})) == ["ChildRunStarted p"]
    second = child_run_id(RUN, "p", 1)
    assert given.state.children["p"].run_id == second
    assert given.told(ended(child=second), "e2") == "ChildRunEnded"
    assert kinds(given.then()) == scheduled("a")


def test_a_step_tried_again_may_turn_out_to_be_unwanted() -> None:
    given = called(retry=RetryRule(max_attempts=2))
    given.told(ended("failed", result=None, failure=failure("overloaded")), "e")
    given.then()
    given.at(given.state.steps["p"].due_at or given.now)
    assert kinds(given.then(evaluations={"p": NotWanted("no")})) == ["StepSkipped p", *scheduled("a")]


def test_a_child_that_may_fail_holds_nothing_up() -> None:
    given = called(continue_on_error=True)
    given.told(ended("failed", result=None, failure=Failure(kind="auth", message="no")), "e")
    assert kinds(given.then()) == scheduled("a")


def test_a_child_that_takes_too_long_fails_its_step_and_is_nobodys_any_more() -> None:
    given = called()
    given.at(given.now + timedelta(seconds=60))
    assert kinds(given.then()) == ["StepRefused p", "RunFailed p"]
    assert given.state.children == {}
    assert given.fold.ended[RUN].open_children == (CHILD,)


def test_the_end_of_a_run_that_is_no_child_is_not_heard() -> None:
    given = called()
    assert given.told(ended(child="other"), "e") == "no_such_child"
    assert given.state.steps["p"].status == "child"


def test_the_end_of_a_child_that_was_given_up_is_not_heard() -> None:
    given = called(continue_on_error=True)
    given.at(given.now + timedelta(seconds=60)).then()
    assert given.told(ended(), "e") == "no_such_child"


def test_a_cancelled_parent_leaves_its_child_to_be_cancelled() -> None:
    given = called()
    assert given.told(CancelRun(), "cancel") == "RunCancelled"
    assert given.fold.ended[RUN].open_children == (CHILD,)


def test_a_failing_turn_waits_for_the_child_runs_in_it() -> None:
    given = Nested(loop("l", waits("p"), planned("a")), opens={"l": 1})
    given.then(evaluations={"l/0/p": CALLING})
    given.fail("l/0/a", failure("auth"))
    assert given.then() == []
    child = given.state.children["l/0/p"].run_id
    said = ChildEnded(child_run_id=child, step="l/0/p", status="completed", result=Inline(value=1))
    assert given.told(said, "e") == "ChildRunEnded"
    assert kinds(given.then()) == ["IterationEnded l", "StepRefused l", "RunFailed l"]
