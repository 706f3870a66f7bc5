"""Executions that end without a result: lost, over time, declined, released."""

from datetime import timedelta

import pytest
from elexirion.agents.decide import TIMEOUT_GRACE_S, Lost
from elexirion.agents.plan import CRASHES_TO_POISON
from elexirion.events import step

from tests.agents.decide.given import SECOND, Given, fleet_of, kinds, planned
from tests.projections.partition_log import RUN, WORKER

FIRST = f"{RUN}/a#1"


def test_an_orphaned_step_is_scheduled_anew_with_the_next_number_the_same_attempt_and_the_same_input() -> None:
    given = Given(planned("a"))
    before = given.then()[0].raw
    records = given.then(lost={FIRST: Lost("lease_expired")}, fleet=fleet_of(SECOND))
    assert kinds(records) == [f"StepOrphaned {FIRST}", f"StepScheduled {RUN}/a#2"]
    again = records[1].raw
    assert again["incarnation"] == SECOND
    assert {key: again[key] for key in again.keys() - {"execution_id", "incarnation"}} == {
        key: before[key] for key in before.keys() - {"execution_id", "incarnation"}
    }
    assert given.complete("a", incarnation=WORKER, n=1) == "execution_closed"
    assert given.complete("a", incarnation=SECOND) is None


def test_an_orphan_between_two_attempts_spends_none_of_them() -> None:
    given = Given(planned("a"))
    given.then()
    given.fail("a")
    given.then()
    given.at(given.now + timedelta(seconds=1)).then()
    given.then(lost={f"{RUN}/a#2": Lost("worker_left")})
    assert given.state.executions[f"{RUN}/a#3"].attempt == 2
    given.fail("a", n=3)
    (retry,) = given.then()
    assert (retry.raw["attempt"], retry.raw["delay_s"]) == (3, 2.0)


def test_only_lost_executions_are_orphaned() -> None:
    given = Given(planned("a"), planned("b"))
    given.then()
    records = given.then(lost={FIRST: Lost("lease_expired"), "other/a#1": Lost("lease_expired")}, fleet=fleet_of())
    assert kinds(records) == [f"StepOrphaned {FIRST}"]


def test_a_closed_execution_is_not_orphaned() -> None:
    given = Given(planned("a"))
    given.then()
    given.complete("a")
    assert kinds(given.when(lost={FIRST: Lost("lease_expired")})) == ["RunCompleted"]


@pytest.mark.parametrize("reason", ["full", "draining"])
def test_a_declined_execution_is_scheduled_anew(reason: str) -> None:
    given = Given(planned("a"))
    given.then()
    given.report(step.StepDeclined.model_validate(
        {"execution_id": FIRST, "incarnation": WORKER, "reason": reason}))  # fmt: skip
    assert kinds(given.then()) == [f"StepScheduled {RUN}/a#2"]
    assert given.state.executions[f"{RUN}/a#2"].attempt == 1


def test_a_released_execution_is_scheduled_anew() -> None:
    given = Given(planned("a"))
    given.then()
    given.begin("a")
    given.report(step.StepReleased(execution_id=FIRST, incarnation=WORKER))
    assert kinds(given.then()) == [f"StepScheduled {RUN}/a#2"]


def test_an_execution_over_its_time_is_closed_after_the_grace_and_counts_as_an_attempt() -> None:
    given = Given(planned("a", timeout_s=10))
    given.then()
    given.begin("a")
    due = given.state.executions[FIRST].started_at
    assert due is not None
    due += timedelta(seconds=10 + TIMEOUT_GRACE_S)
    assert given.at(due - timedelta(microseconds=1)).then() == []
    records = given.at(due).then()
    assert kinds(records) == [f"StepTimedOut {FIRST}", "StepRetryScheduled a"]
    assert given.state.steps["a"].failures == 1


def test_an_execution_that_did_not_start_or_has_no_limit_does_not_time_out() -> None:
    given = Given(planned("a", timeout_s=10), planned("b", timeout_s=None))
    given.then()
    given.begin("b")
    assert given.at(given.now + timedelta(days=1)).then() == []


def crash(given: Given, times: int, *, begun: bool = True, lost: Lost) -> list[str]:
    said: list[str] = []
    for _ in range(times):
        given.then()
        if begun:
            given.begin("a")
        said = kinds(given.then(lost={given.execution("a"): lost}))
    return said


def test_a_step_that_took_its_worker_along_three_times_is_poison() -> None:
    given = Given(planned("a"))
    said = crash(given, CRASHES_TO_POISON, lost=Lost("lease_expired", 1.0))
    assert said == [f"StepOrphaned {RUN}/a#3", "RunFailed a"]
    assert given.state.failure and given.state.failure.kind == "poison"
    assert given.state.steps["a"].failures == 0


def test_two_crashes_are_no_poison() -> None:
    given = Given(planned("a"))
    assert crash(given, 2, lost=Lost("lease_expired", 1.0))[-1] == f"StepScheduled {RUN}/a#3"


def test_with_the_rule_off_no_step_is_given_up_for_the_workers_it_took_along() -> None:
    given = Given(planned("a", most_crashes=None))
    assert crash(given, 10, lost=Lost("lease_expired", 1.0))[-1] == f"StepScheduled {RUN}/a#11"


@pytest.mark.parametrize(
    ("begun", "lost"),
    [
        (False, Lost("lease_expired", 1.0)),
        (True, Lost("lease_expired", 60.0)),
        (True, Lost("lease_expired")),
        (True, Lost("worker_left", 1.0)),
        (True, Lost("lane_dropped")),
    ],
)
def test_workers_that_go_for_reasons_of_their_own_poison_nothing(begun: bool, lost: Lost) -> None:
    given = Given(planned("a"))
    assert crash(given, 10, begun=begun, lost=lost)[-1] == f"StepScheduled {RUN}/a#11"


def test_losses_come_before_everything_else() -> None:
    given = Given(planned("a"), planned("b"), planned("c", "a"))
    given.then()
    given.complete("a")
    records = given.then(lost={f"{RUN}/b#1": Lost("worker_left")})
    assert kinds(records)[0] == f"StepOrphaned {RUN}/b#1"
