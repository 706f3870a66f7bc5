"""What a run may use: over a limit nothing more is called, and the run fails."""

from datetime import timedelta
from typing import Any

import pytest
from elexirion.agents.plan import Limits, StepPlan
from elexirion.events import step
from elexirion.events.commands import PauseRun
from elexirion.events.failure import Failure
from elexirion.events.usage import Usage
from elexirion.events.values import Inline

from tests.agents.decide.given import fleet_of, kinds, planned
from tests.agents.decide.nested import Nested, batch, loop
from tests.projections.partition_log import RUN, WORKER, failure

BOTH = fleet_of(WORKER, lanes=("local", "claude"))


def scheduled(*paths: str, n: int = 1) -> list[str]:
    return [f"StepScheduled {RUN}/{path}#{n}" for path in paths]


def dear(given: Nested, path: str, tokens: int, cost_usd: float | None) -> None:
    """The step ends well after using so much."""
    said = step.StepCompleted(
        execution_id=given.execution(path), incarnation=WORKER, result=Inline(value="done"),
        usage=Usage(input_tokens=tokens - 1, output_tokens=1), cost_usd=cost_usd,
    )  # fmt: skip
    assert given.report(said) is None


def asking(name: str, *needs: str, **fields: Any) -> StepPlan:
    """A step that asks a provider."""
    return planned(name, *needs, lane="claude", **fields)


# Steps ------------------------------------------------------------------------------------------------------


def test_no_more_steps_are_begun_than_may_be() -> None:
    given = Nested(planned("a"), planned("b", "a"), planned("c", "b"), limits=Limits(steps=2))
    given.then()
    given.finish("a")
    given.then()
    given.finish("b")
    assert kinds(given.then()) == ["BudgetExceeded", "RunFailed"]
    assert given.state.failure and given.state.failure.kind == "budget"
    assert given.state.failure.message == "max_total_steps is 2, and 3 was used or would be"
    assert given.state.failed_step is None


def test_as_many_steps_as_may_be_complete_a_run() -> None:
    given = Nested(planned("a"), planned("b", "a"), limits=Limits(steps=2))
    assert given.through()[-1] == "RunCompleted"


def test_items_and_steps_of_turns_count_and_what_holds_them_does_not() -> None:
    given = Nested(batch("b"), loop("l", planned("a"), needs=("b",)), limits=Limits(steps=4), opens={"b": 2, "l": 3})
    given.through()
    assert given.state.failure and given.state.failure.message == "max_total_steps is 4, and 5 was used or would be"


def test_another_attempt_is_no_other_step() -> None:
    given = Nested(planned("a"), limits=Limits(steps=1))
    given.then()
    given.fail("a")
    given.then()
    given.at(given.now + timedelta(seconds=60))
    assert kinds(given.then()) == scheduled("a", n=2)


def test_a_step_that_waits_for_a_slot_is_over_no_limit() -> None:
    given = Nested(planned("a"), limits=Limits(steps=1))
    assert given.then(fleet=fleet_of()) == []
    assert kinds(given.then()) == scheduled("a")


# Tokens and money -------------------------------------------------------------------------------------------


def test_when_the_tokens_are_spent_no_provider_is_asked_any_more() -> None:
    given = Nested(asking("a"), asking("b", "a"), limits=Limits(tokens=100))
    given.then(fleet=BOTH)
    dear(given, "a", 100, 0.0)
    assert kinds(given.then(fleet=BOTH)) == ["BudgetExceeded", "RunFailed"]
    assert given.state.failure and given.state.failure.message == "max_tokens is 100, and 100 was used or would be"


def test_below_the_limit_of_tokens_the_next_call_is_made() -> None:
    given = Nested(asking("a"), asking("b", "a"), limits=Limits(tokens=100))
    given.then(fleet=BOTH)
    dear(given, "a", 99, 0.0)
    assert kinds(given.then(fleet=BOTH)) == scheduled("b")


def test_when_the_money_is_spent_no_provider_is_asked_any_more() -> None:
    given = Nested(asking("a"), asking("b", "a"), limits=Limits(cost_usd=0.5))
    given.then(fleet=BOTH)
    dear(given, "a", 5, 0.5)
    assert kinds(given.then(fleet=BOTH)) == ["BudgetExceeded", "RunFailed"]
    assert given.state.exceeded and given.state.exceeded.limit == "max_cost_usd"


def test_steps_that_ask_no_provider_go_on_without_money() -> None:
    given = Nested(asking("a"), planned("b", "a"), limits=Limits(cost_usd=0.5, tokens=5))
    given.then(fleet=BOTH)
    dear(given, "a", 5, 0.5)
    assert kinds(given.then(fleet=BOTH)) == scheduled("b")


def test_the_tokens_of_failed_attempts_count_before_another_one() -> None:
    given = Nested(asking("a"), limits=Limits(tokens=15))
    given.then(fleet=BOTH)
    given.fail("a")
    given.then(fleet=BOTH)
    given.at(given.now + timedelta(seconds=60))
    assert kinds(given.then(fleet=BOTH)) == ["BudgetExceeded", "RunFailed"]


# Time -------------------------------------------------------------------------------------------------------


def test_a_run_out_of_time_fails_at_once_and_closes_what_is_open() -> None:
    given = Nested(planned("a"), limits=Limits(seconds=60.0))
    given.then()
    end = given.state.started_at + timedelta(seconds=60)
    assert given.at(end - timedelta(microseconds=1)).then() == []
    assert kinds(given.at(end).then()) == ["BudgetExceeded", "RunFailed"]
    assert given.state.exceeded and given.state.exceeded.limit == "max_execution_time_s"
    assert not given.state.opened


def test_a_pause_does_not_stop_the_clock() -> None:
    given = Nested(planned("a"), limits=Limits(seconds=60.0))
    given.then()
    given.told(PauseRun(), "pause")
    given.at(given.now + timedelta(seconds=60))
    assert kinds(given.then())[-1] == "RunFailed"


# Handlers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(steps=1), Limits(tokens=1), Limits(cost_usd=0.0), Limits(seconds=1.0)])
def test_handlers_of_errors_are_held_to_no_limit(limits: Limits) -> None:
    given = Nested(asking("a"), asking("b", "a"), on_error=(asking("h"),), limits=limits)
    for _ in range(4):
        given.then(fleet=BOTH)
        for execution in given.state.open_executions():
            given.finish(execution.step)
    assert [record.type for record, _ in given.records][-4:] == [
        "ErrorHandlingStarted", "StepScheduled", "StepCompleted", "RunFailed",
    ]  # fmt: skip
    assert given.state.failure and given.state.failure.kind == "budget"


def test_a_failure_stays_the_reason_though_a_limit_is_reached_while_it_is_handled() -> None:
    given = Nested(planned("a"), on_error=(planned("h"),), limits=Limits(seconds=60.0))
    given.then()
    given.fail("a", failure("auth", "no key"))
    given.then()
    given.at(given.now + timedelta(hours=1))
    given.finish("h")
    given.then()
    assert given.state.failure == failure("auth", "no key")


# Calls that are cut, and runs that are only audited ----------------------------------------------------------


def test_an_execution_learns_what_the_run_may_still_use() -> None:
    given = Nested(asking("a"), asking("b", "a"), limits=Limits(tokens=100, cost_usd=1.0))
    (first,) = given.then(fleet=BOTH)
    assert first.raw["allowance"] == {"tokens": 100, "cost_usd": 1.0}
    dear(given, "a", 60, 0.75)
    (second,) = given.then(fleet=BOTH)
    assert second.raw["allowance"] == {"tokens": 40, "cost_usd": 0.25}


def test_a_call_that_was_cut_for_a_limit_ends_the_run_with_that_limit() -> None:
    given = Nested(asking("a"), limits=Limits(tokens=15))
    given.then(fleet=BOTH)
    given.fail("a", Failure(kind="budget", message="cut", where="resource_limits.max_tokens"))
    assert kinds(given.then(fleet=BOTH)) == ["BudgetExceeded", "RunFailed"]
    assert given.state.failure and given.state.failure.message == "max_tokens is 15, and 15 was used or would be"


def test_an_audited_run_is_warned_once_of_each_limit_and_goes_on_to_its_end() -> None:
    given = Nested(asking("a"), asking("b", "a"), limits=Limits(steps=1, tokens=10, audit=True))
    (first,) = given.then(fleet=BOTH)
    assert first.raw["allowance"] is None
    dear(given, "a", 60, 0.0)
    assert kinds(given.then(fleet=BOTH)) == ["BudgetExceeded", "BudgetExceeded", *scheduled("b")]
    dear(given, "b", 60, 0.0)
    assert kinds(given.then(fleet=BOTH)) == ["RunCompleted"]
    assert set(given.state.warned) == {"max_tokens", "max_total_steps"}


def test_an_audited_run_is_warned_of_what_its_last_call_used() -> None:
    given = Nested(asking("a"), limits=Limits(tokens=10, seconds=0.5, audit=True))
    given.then(fleet=BOTH)
    dear(given, "a", 60, 0.0)
    assert kinds(given.then(fleet=BOTH)) == ["BudgetExceeded", "RunCompleted"]
