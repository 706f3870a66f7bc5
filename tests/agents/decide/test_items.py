"""The same step for each of several items: order, limits, failures, and going on after a takeover."""

from datetime import timedelta

import pytest
from elexirion.agents.decisions.view import Lost
from elexirion.agents.evaluated import NotPossible, NotWanted
from elexirion.agents.plan import CRASHES_TO_POISON
from elexirion.agents.questions import AboutResult
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events import step
from elexirion.events.failure import Failure

from tests.agents.decide.given import SECOND, fleet_of, kinds, planned
from tests.agents.decide.nested import Nested, batch
from tests.projections.partition_log import RUN, WORKER, failure

NO_KEY = failure("auth", "no key")
SLOW = RetryRule(base_delay_ms=20_000)


def scheduled(*items: int, n: int = 1) -> list[str]:
    """The decisions that begin these items."""
    return [f"StepScheduled {RUN}/b/{index}#{n}" for index in items]


def test_a_batch_is_expanded_once_and_its_items_start_in_order() -> None:
    given = Nested(batch("b", most=3), opens={"b": 5})
    assert kinds(given.then()) == ["StepExpanded b", *scheduled(0, 1, 2)]
    (expanded, *_) = [record for record, _ in given.records if record.type == "StepExpanded"]
    assert expanded.raw["count"] == 5
    assert expanded.raw["children"] == {"": "test_echo"}


def test_no_more_items_are_open_than_may_be() -> None:
    given = Nested(batch("b", most=2), opens={"b": 4})
    given.then()
    assert list(given.state.opened) == [f"{RUN}/b/0#1", f"{RUN}/b/1#1"]
    assert given.then() == []
    given.finish("b/1")
    assert kinds(given.then()) == scheduled(2)
    given.finish("b/0", "b/2")
    assert kinds(given.then()) == scheduled(3)


def test_a_batch_concludes_when_its_last_item_is_done_and_the_next_step_follows() -> None:
    given = Nested(batch("b"), planned("c", "b"), opens={"b": 2})
    given.then()
    given.finish("b/1")
    assert given.then() == []
    given.finish("b/0")
    assert kinds(given.then()) == ["StepConcluded b", f"StepScheduled {RUN}/c#1"]
    assert given.state.steps["b"].ended_because == "completed"
    assert given.state.steps["b"].usage.input_tokens == 20
    assert given.state.steps["b"].cost_usd == pytest.approx(0.02)


def test_a_batch_waits_until_its_result_is_known() -> None:
    given = Nested(batch("b"), opens={"b": 1})
    given.then()
    given.finish("b/0")
    assert given.then(answers={AboutResult("b", "completed"): None}) == []


def test_a_result_that_cannot_be_made_fails_the_batch() -> None:
    given = Nested(batch("b"), opens={"b": 1})
    given.then()
    given.finish("b/0")
    bad = NotPossible(Failure(kind="evaluation", message="too large"))
    assert kinds(given.then(answers={AboutResult("b", "completed"): bad})) == ["StepRefused b", "RunFailed b"]


def test_a_batch_of_nothing_concludes_at_once() -> None:
    given = Nested(batch("b"), opens={"b": 0})
    assert kinds(given.then()) == ["StepExpanded b", "StepConcluded b", "RunCompleted"]


def test_a_batch_whose_list_cannot_be_evaluated_fails() -> None:
    given = Nested(batch("b"), opens={"b": 2})
    bad = NotPossible(Failure(kind="evaluation", message="`files` is no list"))
    assert kinds(given.then(evaluations={"b": bad})) == ["StepRefused b", "RunFailed b"]


def test_items_that_are_not_wanted_are_skipped_and_take_no_place() -> None:
    given = Nested(batch("b", most=1), opens={"b": 3})
    no = NotWanted("its condition does not hold")
    first = kinds(given.then(evaluations={"b/0": no, "b/2": no}))
    assert first == ["StepExpanded b", "StepSkipped b/0", *scheduled(1)]
    given.finish("b/1")
    assert kinds(given.then(evaluations={"b/2": no})) == ["StepSkipped b/2", "StepConcluded b", "RunCompleted"]


# Failures -------------------------------------------------------------------------------------------------


def test_a_failed_item_starts_no_new_ones_and_fails_the_batch_once_nothing_runs() -> None:
    given = Nested(batch("b", most=3), opens={"b": 9})
    given.then()
    given.fail("b/1", NO_KEY)
    assert given.then() == [], "two items still run"
    given.finish("b/0")
    assert given.then() == []
    given.finish("b/2")
    assert kinds(given.then()) == ["StepRefused b", "RunFailed b"]
    assert given.state.failure == Failure(kind="auth", message="b/1: no key")


def test_the_first_failed_item_in_the_order_of_the_items_is_the_reason_whichever_failed_first() -> None:
    given = Nested(batch("b", most=12), opens={"b": 12})
    given.then()
    for index in (11, 2, 5):
        given.fail(f"b/{index}", failure("auth", f"no key {index}"))
    given.finish(*(f"b/{index}" for index in range(12) if index not in (11, 2, 5)))
    given.then()
    assert given.state.failure and given.state.failure.message == "b/2: no key 2"


def test_a_batch_that_may_go_on_does_all_items_and_concludes() -> None:
    given = Nested(batch("b", most=2, continue_on_error=True), planned("c", "b"), opens={"b": 4})
    given.then()
    given.fail("b/0", NO_KEY)
    assert kinds(given.then()) == scheduled(2)
    given.fail("b/1", NO_KEY)
    given.finish("b/2")
    assert kinds(given.then()) == scheduled(3)
    given.fail("b/3", NO_KEY)
    assert kinds(given.then()) == ["StepConcluded b", f"StepScheduled {RUN}/c#1"]


def test_items_that_may_fail_by_themselves_hold_nothing_up() -> None:
    given = Nested(batch("b", most=1, leaf=planned("b", continue_on_error=True)), opens={"b": 2})
    given.then()
    given.fail("b/0", NO_KEY)
    assert kinds(given.then()) == scheduled(1)
    given.finish("b/1")
    assert kinds(given.then()) == ["StepConcluded b", "RunCompleted"]


def test_an_item_that_cannot_be_evaluated_fails_like_any_other() -> None:
    given = Nested(batch("b", most=2), opens={"b": 3})
    bad = NotPossible(Failure(kind="evaluation", message="`item.x` is unknown"))
    assert kinds(given.then(evaluations={"b/1": bad})) == ["StepExpanded b", *scheduled(0), "StepRefused b/1"]
    given.finish("b/0")
    assert kinds(given.then()) == ["StepRefused b", "RunFailed b"]


def test_the_retry_of_an_item_holds_no_others() -> None:
    given = Nested(batch("b", most=1, leaf=planned("b", retry=SLOW)), opens={"b": 3})
    given.then()
    given.fail("b/0")
    assert kinds(given.then()) == ["StepRetryScheduled b/0", *scheduled(1)]
    given.finish("b/1")
    assert kinds(given.then()) == scheduled(2), "it is not due yet"
    given.at(given.now + timedelta(seconds=60))
    assert given.then() == [], "its place is taken"
    given.finish("b/2")
    assert kinds(given.then()) == scheduled(0, n=2)


def test_an_item_that_is_due_again_comes_before_fresh_ones() -> None:
    given = Nested(batch("b", most=2), opens={"b": 4})
    given.then()
    given.fail("b/0")
    given.then()
    given.at(given.now + timedelta(seconds=60))
    given.finish("b/1")
    assert kinds(given.then()) == scheduled(0, n=2)


def test_an_item_whose_retries_are_spent_says_so() -> None:
    given = Nested(batch("b", leaf=planned("b", retry=RetryRule(max_attempts=2))), opens={"b": 1})
    for _ in range(2):
        given.then()
        given.fail("b/0")
        given.then()
        given.at(given.now + timedelta(seconds=60))
    assert given.state.failure == Failure(kind="step_error", message="b/0: Max retries exceeded: busy")


def test_an_item_that_waits_for_its_retry_does_not_delay_the_end_that_another_caused() -> None:
    given = Nested(batch("b", most=2), opens={"b": 5})
    given.then()
    given.fail("b/0")
    given.then()
    given.fail("b/1", NO_KEY)
    given.finish("b/2")
    assert kinds(given.then()) == ["StepRefused b", "RunFailed b"]
    assert given.state.steps["b/0"].due_at is None, "nothing waits any more"


def test_an_item_that_killed_its_workers_is_not_tried_again_and_the_others_go_on() -> None:
    given = Nested(batch("b", most=1, continue_on_error=True), opens={"b": 2})
    said: list[str] = []
    for _ in range(CRASHES_TO_POISON):
        given.then()
        given.begin("b/0")
        said = kinds(given.then(lost={given.execution("b/0"): Lost("lease_expired", 1.0)}, most={"local": 0}))
    assert said == [f"StepOrphaned {RUN}/b/0#3", "StepRefused b/0"]
    assert kinds(given.then()) == scheduled(1)
    assert given.state.steps["b/0"].failure and given.state.steps["b/0"].failure.kind == "poison"
    given.finish("b/1")
    assert kinds(given.then()) == ["StepConcluded b", "RunCompleted"]


# Workers and takeovers --------------------------------------------------------------------------------------


def test_an_orphaned_item_is_scheduled_anew_and_takes_one_place_only() -> None:
    given = Nested(batch("b", most=1), opens={"b": 2})
    given.then()
    records = given.then(lost={f"{RUN}/b/0#1": Lost("worker_left")}, fleet=fleet_of(SECOND))
    assert kinds(records) == [f"StepOrphaned {RUN}/b/0#1", *scheduled(0, n=2)]


def test_a_declined_item_is_scheduled_anew() -> None:
    given = Nested(batch("b", most=1), opens={"b": 2})
    given.then()
    given.report(step.StepDeclined(execution_id=f"{RUN}/b/0#1", incarnation=WORKER, reason="full"))
    assert kinds(given.then()) == scheduled(0, n=2)


def test_whoever_takes_over_in_the_middle_starts_only_what_is_not_finished() -> None:
    given = Nested(batch("b", most=2), opens={"b": 6})
    given.then()
    given.finish("b/0", "b/1")
    given.then()
    given.finish("b/2")
    taken_over = given.replay().runs[RUN]
    assert taken_over == given.state
    assert kinds(given.then()) == scheduled(4), "b/0 to b/2 are done, b/3 still runs"


def test_a_batch_places_as_many_items_as_there_are_slots() -> None:
    given = Nested(batch("b", most=10), opens={"b": 10})
    assert kinds(given.then(fleet=fleet_of(WORKER, slots=2))) == ["StepExpanded b", *scheduled(0, 1)]


def test_a_failing_step_beside_a_batch_starts_no_items_any_more() -> None:
    given = Nested(batch("b", most=1), planned("c"), opens={"b": 3})
    given.then()
    given.fail("c", NO_KEY)
    given.finish("b/0")
    assert kinds(given.then()) == ["RunFailed c"]
