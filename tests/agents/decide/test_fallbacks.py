"""Who is asked when a step's own model cannot answer."""

from datetime import timedelta
from typing import Any

import pytest
from elexirion.agents.plan import StepPlan
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events import step
from elexirion.events.failure import Failure
from elexirion.pipelines.fallback import Candidate

from tests.agents.decide.given import Given, fleet_of, kinds, planned
from tests.projections.partition_log import RUN, WORKER, failure

FLASH, GPT = Candidate("gemini", "flash"), Candidate("openai", "gpt")
LANES: Any = ("claude", "gemini", "openai")
FLEET = fleet_of(WORKER, lanes=LANES)


def asking(*fallback: Candidate, attempts: int = 1, **fields: Any) -> StepPlan:
    """A claude step with these candidates."""
    rule = RetryRule(max_attempts=attempts, base_delay_ms=0)
    return planned("a", lane="claude", fallback=fallback, retry=rule, **fields)


def after(why: Failure, *fallback: Candidate, **fields: Any) -> Given:
    """A step whose first execution failed."""
    given = Given(asking(*fallback, **fields))
    given.then(fleet=FLEET)
    given.fail("a", why)
    return given


def test_the_next_candidate_is_asked_on_its_own_lane_when_attempts_are_spent() -> None:
    given = after(failure(), FLASH, GPT)
    chosen, scheduled = given.then(fleet=FLEET)
    assert chosen.raw == {
        "step": "a", "number": 1, "fallback": "gemini/flash", "failure": failure().model_dump(mode="json"),
    }  # fmt: skip
    assert (scheduled.raw["lane"], scheduled.raw["fallback"], scheduled.raw["attempt"]) == ("gemini", "gemini/flash", 1)
    given.fail("a")
    assert kinds(given.then(fleet=FLEET)) == ["FallbackChosen a", f"StepScheduled {RUN}/a#3"]
    given.complete("a")
    assert kinds(given.then(fleet=FLEET)) == ["RunCompleted"]


def test_each_candidate_has_the_attempts_of_the_step() -> None:
    given = Given(asking(FLASH, attempts=2))
    asked = []
    while not given.state.ended:
        for record in given.at(given.now + timedelta(seconds=1)).then(fleet=FLEET):
            if isinstance(record.data, step.StepScheduled):
                asked.append((record.data.lane, record.data.attempt))
                given.fail("a")
    assert asked == [("claude", 1), ("claude", 2), ("gemini", 1), ("gemini", 2)]
    assert given.state.failure is not None
    assert given.state.failure.message == "Max retries exceeded: busy"


def test_an_open_circuit_is_passed_by_at_once_though_attempts_are_left() -> None:
    given = after(failure("circuit_open", "Circuit breaker open"), FLASH, attempts=3)
    assert kinds(given.when(fleet=FLEET)) == ["FallbackChosen a", f"StepScheduled {RUN}/a#2"]


@pytest.mark.parametrize(
    ("why", "another"),
    [
        (failure("budget"), True),
        (failure("auth"), True),
        (failure("context_length"), True),
        (Failure(kind="invalid_request", message="no such model", status=404), True),
        (failure("invalid_request"), False),
        (failure("content_filtered"), False),
        (failure("schema_mismatch"), False),
        (failure("internal"), False),
        (Failure(kind="budget", message="max_tokens", where="resource_limits.max_tokens"), False),
    ],
    ids=lambda value: f"{value.kind} {value.status or value.where or ''}".strip() if isinstance(value, Failure) else "",
)
def test_another_model_is_asked_only_where_the_model_or_its_provider_is_at_fault(why: Failure, another: bool) -> None:
    expected = ["FallbackChosen a", f"StepScheduled {RUN}/a#2"] if another else ["RunFailed a"]
    assert kinds(after(why, FLASH).when(fleet=FLEET)) == expected


def test_a_timed_out_execution_leads_on_to_the_next_candidate() -> None:
    given = Given(asking(FLASH, timeout_s=1.0))
    given.then(fleet=FLEET)
    given.begin("a")
    records = given.at(given.now + timedelta(seconds=10)).then(fleet=FLEET)
    assert kinds(records) == [f"StepTimedOut {RUN}/a#1", "FallbackChosen a", f"StepScheduled {RUN}/a#2"]


def test_a_lost_worker_changes_nothing_about_who_is_asked() -> None:
    given = after(failure(), FLASH)
    given.then(fleet=FLEET)
    given.orphan("a")
    (again,) = given.when(fleet=FLEET)
    assert (again.raw["lane"], again.raw["fallback"]) == ("gemini", "gemini/flash")


def test_a_step_that_may_fail_asks_its_candidates_first() -> None:
    given = after(failure(), FLASH, continue_on_error=True)
    given.then(fleet=FLEET)
    given.fail("a", failure("auth"))
    assert kinds(given.when(fleet=FLEET)) == ["RunCompleted"]


@pytest.mark.parametrize("kind", ["open", "again", "too far"])
def test_a_candidate_is_chosen_once_and_in_order_by_whoever_decides(kind: str) -> None:
    given = after(failure(), FLASH, GPT)
    chosen = step.FallbackChosen(step="a", number=2 if kind == "too far" else 1, fallback="x", failure=failure())
    if kind == "again":
        assert given.decide(chosen) is None
    if kind == "open":
        given.then(fleet=FLEET)
    assert given.decide(chosen) == "step_not_ready"
