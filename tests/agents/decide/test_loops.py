"""Loops over a list: turns one by one or side by side, left out, broken off, failed; loops in loops."""

from elexirion.agents.evaluated import Assigned, Holds, NotPossible, NotWanted
from elexirion.agents.plan import StepPlan
from elexirion.agents.questions import AboutBreak, AboutTurn
from elexirion.events.failure import Failure
from elexirion.events.values import Inline
from elexirion.projections.run_state import RunState

from tests.agents.decide.given import kinds, planned
from tests.agents.decide.nested import Nested, loop
from tests.projections.partition_log import RUN, failure

NO_KEY = failure("auth", "no key")
BAD = NotPossible(Failure(kind="evaluation", message="`x` is unknown"))
YES, NO = Holds(True), Holds(False)


def scheduled(*paths: str) -> list[str]:
    """The decisions that begin these steps."""
    return [f"StepScheduled {RUN}/{path}#1" for path in paths]


def turns(state: RunState, path: str = "l") -> dict[int, str | None]:
    """Why each turn ended."""
    inside = state.steps[path].inside
    assert inside is not None
    return inside.turns


def a_loop(*, turns: int = 3, after: tuple[StepPlan, ...] = (), **fields: object) -> Nested:
    """A loop `l` of one step `a`."""
    return Nested(loop("l", planned("a"), **fields), *after, opens={"l": turns})  # type: ignore[arg-type]


# One by one -------------------------------------------------------------------------------------------------


def test_turns_follow_each_other_in_the_order_of_the_list() -> None:
    given = a_loop(turns=2, after=(planned("b", "l"),))
    assert kinds(given.then()) == ["StepExpanded l", "IterationStarted l", *scheduled("l/0/a")]
    assert given.then() == []
    given.finish("l/0/a")
    assert kinds(given.then()) == ["IterationEnded l", "IterationStarted l", *scheduled("l/1/a")]
    given.finish("l/1/a")
    assert kinds(given.then()) == ["IterationEnded l", "StepConcluded l", *scheduled("b")]
    assert given.state.steps["l"].result == Inline(value={"of": "l", "because": "completed"})


def test_a_loop_over_nothing_concludes_at_once() -> None:
    assert kinds(a_loop(turns=0).then()) == ["StepExpanded l", "StepConcluded l", "RunCompleted"]


def test_the_steps_of_a_turn_follow_their_needs() -> None:
    given = Nested(loop("l", planned("a"), planned("b"), planned("c", "a", "b")), opens={"l": 1})
    assert kinds(given.then())[2:] == scheduled("l/0/a", "l/0/b")
    given.finish("l/0/b")
    assert given.then() == []
    given.finish("l/0/a")
    assert kinds(given.then()) == scheduled("l/0/c")


def test_a_turn_may_set_variables_without_any_worker() -> None:
    given = Nested(loop("l", planned("set", lane=None)), opens={"l": 2})
    said = {f"l/{index}/set": Assigned({"n": index}) for index in range(2)}
    assert kinds(given.then(evaluations=said)) == [
        "StepExpanded l", "IterationStarted l", "VariablesSet l/0/set", "IterationEnded l",
        "IterationStarted l", "VariablesSet l/1/set", "IterationEnded l", "StepConcluded l", "RunCompleted",
    ]  # fmt: skip
    assert given.state.variables == {"n": 1}


def test_a_step_of_a_turn_that_is_not_wanted_is_skipped_in_that_turn_only() -> None:
    given = a_loop(turns=2)
    records = given.then(evaluations={"l/0/a": NotWanted("no")})
    assert kinds(records)[2:] == ["StepSkipped l/0/a", "IterationEnded l", "IterationStarted l", *scheduled("l/1/a")]


def test_an_attempt_of_a_step_of_a_turn_is_repeated_before_the_turn_fails() -> None:
    given = a_loop(turns=1)
    given.then()
    given.fail("l/0/a")
    assert kinds(given.then()) == ["StepRetryScheduled l/0/a"]
    given.at(given.state.steps["l/0/a"].due_at or given.now)
    assert kinds(given.then()) == [f"StepScheduled {RUN}/l/0/a#2"]
    assert given.state.executions[f"{RUN}/l/0/a#2"].attempt == 2


# Left out and broken off ------------------------------------------------------------------------------------


def test_a_turn_whose_condition_says_so_is_left_out() -> None:
    given = a_loop(turns=3, skips=True)
    answers = {AboutTurn("l", 0): NO, AboutTurn("l", 1): YES, AboutTurn("l", 2): NO}
    assert kinds(given.then(answers=answers))[1:] == ["IterationEnded l", "IterationStarted l", *scheduled("l/1/a")]
    given.finish("l/1/a")
    assert kinds(given.then(answers=answers)) == [
        "IterationEnded l",
        "IterationEnded l",
        "StepConcluded l",
        "RunCompleted",
    ]
    assert turns(given.state) == {0: "skipped", 1: "completed", 2: "skipped"}


def test_a_turn_waits_until_its_condition_is_known() -> None:
    given = a_loop(skips=True)
    assert kinds(given.then(answers={AboutTurn("l", 0): None})) == ["StepExpanded l"]


def test_a_loop_without_conditions_asks_about_none() -> None:
    given = a_loop(turns=1)
    given.then(answers={AboutTurn("l", 0): None, AboutBreak("l", 0): None})
    given.finish("l/0/a")
    assert given.then(answers={AboutBreak("l", 0): None})[-1].type == "RunCompleted"


def test_a_loop_ends_with_the_turn_after_which_its_condition_holds() -> None:
    given = a_loop(turns=5, breaks=True)
    given.then()
    given.finish("l/0/a")
    given.then()
    given.finish("l/1/a")
    answers = {AboutBreak("l", 1): YES}
    assert kinds(given.then(answers=answers)) == ["IterationEnded l", "StepConcluded l", "RunCompleted"]
    assert turns(given.state) == {0: "completed", 1: "break"}
    assert given.state.steps["l"].ended_because == "break"


def test_a_turn_does_not_end_before_it_is_known_whether_the_loop_breaks_off() -> None:
    given = a_loop(breaks=True)
    given.then()
    given.finish("l/0/a")
    assert given.then(answers={AboutBreak("l", 0): None}) == []


def test_a_condition_that_cannot_be_evaluated_fails_its_turn() -> None:
    given = a_loop(breaks=True)
    given.then()
    given.finish("l/0/a")
    assert kinds(given.then(answers={AboutBreak("l", 0): BAD})) == ["IterationEnded l", "StepRefused l", "RunFailed l"]
    assert given.state.failure == BAD.failure


def test_a_turn_whose_own_condition_cannot_be_evaluated_fails_and_another_one_runs_to_its_end() -> None:
    given = a_loop(turns=3, most=2, skips=True)
    answers = {AboutTurn("l", 1): BAD}
    assert kinds(given.then(answers=answers))[1:] == ["IterationStarted l", *scheduled("l/0/a"), "IterationEnded l"]
    assert given.then(answers=answers) == []
    given.finish("l/0/a")
    assert given.then(answers=answers)[-1].type == "RunFailed"
    assert given.state.failure == BAD.failure


# Failures ---------------------------------------------------------------------------------------------------


def test_a_failed_turn_fails_the_loop_and_names_the_step() -> None:
    given = a_loop()
    given.then()
    given.fail("l/0/a", NO_KEY)
    assert kinds(given.then()) == ["IterationEnded l", "StepRefused l", "RunFailed l"]
    assert given.state.failure == Failure(kind="auth", message="l/0/a: no key")
    assert turns(given.state) == {0: "failed"}


def test_a_loop_that_goes_on_notes_the_failure_and_does_the_other_turns() -> None:
    given = a_loop(turns=2, stops_at_error=False)
    given.then()
    given.fail("l/0/a", NO_KEY)
    assert kinds(given.then()) == ["IterationEnded l", "IterationStarted l", *scheduled("l/1/a")]
    given.finish("l/1/a")
    assert given.then()[-1].type == "RunCompleted"
    assert turns(given.state) == {0: "failed", 1: "completed"}
    inside = given.state.steps["l"].inside
    assert inside and inside.failures[0].message == "l/0/a: no key"


def test_a_step_that_may_fail_does_not_fail_its_turn() -> None:
    given = Nested(loop("l", planned("a", continue_on_error=True), planned("b", "a")), opens={"l": 1})
    given.then()
    given.fail("l/0/a", NO_KEY)
    assert kinds(given.then()) == scheduled("l/0/b")
    given.finish("l/0/b")
    given.then()
    assert turns(given.state) == {0: "completed"}


def test_a_turn_with_a_failed_step_ends_once_nothing_of_it_runs_and_starts_nothing_new() -> None:
    given = Nested(loop("l", planned("a"), planned("b"), planned("c", "b")), opens={"l": 1})
    given.then()
    given.fail("l/0/a", NO_KEY)
    assert given.then() == []
    given.finish("l/0/b")
    assert kinds(given.then()) == ["IterationEnded l", "StepRefused l", "RunFailed l"]


def test_a_failed_loop_may_be_passed_over() -> None:
    given = a_loop(after=(planned("b", "l"),), continue_on_error=True)
    given.then()
    given.fail("l/0/a", NO_KEY)
    assert kinds(given.then()) == ["IterationEnded l", "StepRefused l", *scheduled("b")]


# Side by side -----------------------------------------------------------------------------------------------


def test_parallel_turns_start_together_and_no_more_than_may_be() -> None:
    given = a_loop(turns=4, most=2)
    began = kinds(given.then())[1:]
    assert began == ["IterationStarted l", *scheduled("l/0/a"), "IterationStarted l", *scheduled("l/1/a")]
    given.finish("l/1/a")
    assert kinds(given.then()) == ["IterationEnded l", "IterationStarted l", *scheduled("l/2/a")]


def test_the_first_failed_turn_in_the_order_of_the_list_is_the_reason_whichever_failed_first() -> None:
    given = a_loop(turns=3, most=3)
    given.then()
    given.fail("l/2/a", failure("auth", "second"))
    given.fail("l/1/a", failure("auth", "first"))
    given.finish("l/0/a")
    given.then()
    assert given.state.failure and given.state.failure.message == "l/1/a: first"


def test_after_a_failed_turn_the_others_begin_no_further_step() -> None:
    given = Nested(loop("l", planned("a"), planned("b", "a"), most=2), opens={"l": 4})
    given.then()
    given.fail("l/0/a", NO_KEY)
    assert kinds(given.then()) == ["IterationEnded l"], "l/1/a still runs"
    given.finish("l/1/a")
    assert kinds(given.then()) == ["StepRefused l", "RunFailed l"]


def test_a_loop_that_is_broken_off_still_does_the_turns_before_that_one() -> None:
    given = Nested(loop("l", planned("a"), planned("b", "a"), most=3, breaks=True), opens={"l": 9})
    given.then()
    answers = {AboutBreak("l", 1): YES}
    given.finish("l/1/a")
    given.then(answers=answers)
    given.finish("l/1/b")
    assert kinds(given.then(answers=answers)) == ["IterationEnded l"]
    given.finish("l/2/a")
    assert given.then(answers=answers) == [], "nothing new starts in a turn that does not count"
    given.finish("l/0/a")
    assert kinds(given.then(answers=answers)) == scheduled("l/0/b")
    given.finish("l/0/b")
    assert kinds(given.then(answers=answers)) == ["IterationEnded l", "StepConcluded l", "RunCompleted"]
    assert turns(given.state) == {0: "completed", 1: "break", 2: None}


def test_a_failure_behind_the_turn_that_broke_the_loop_off_does_not_count() -> None:
    given = a_loop(turns=2, most=2, breaks=True)
    given.then()
    given.fail("l/1/a", NO_KEY)
    assert kinds(given.then()) == ["IterationEnded l"]
    given.finish("l/0/a")
    assert kinds(given.then(answers={AboutBreak("l", 0): YES})) == [
        "IterationEnded l",
        "StepConcluded l",
        "RunCompleted",
    ]


# Loops in loops ---------------------------------------------------------------------------------------------


def nested(**fields: object) -> Nested:
    """A loop `o` of two turns around a loop `i` of two turns."""
    return Nested(loop("o", loop("i", planned("a")), planned("z", "i"), **fields), opens={"o": 2, "i": 2})  # type: ignore[arg-type]


def test_a_loop_in_a_loop_runs_anew_in_each_turn() -> None:
    given = nested()
    assert given.through() == ["RunStarted", "RunCompleted"]
    ran = [record.raw["step"] for record, _ in given.records if record.type == "StepScheduled"]
    assert ran == ["o/0/i/0/a", "o/0/i/1/a", "o/0/z", "o/1/i/0/a", "o/1/i/1/a", "o/1/z"]


def test_a_failure_deep_inside_names_its_place_and_ends_every_loop_around_it() -> None:
    given = nested()
    given.then()
    given.fail("o/0/i/0/a", NO_KEY)
    assert kinds(given.then()) == [
        "IterationEnded o/0/i",
        "StepRefused o/0/i",
        "IterationEnded o",
        "StepRefused o",
        "RunFailed o",
    ]
    assert given.state.failure == Failure(kind="auth", message="o/0/i/0/a: no key")


def test_an_outer_loop_may_go_on_after_an_inner_one_failed() -> None:
    given = nested(stops_at_error=False)
    given.then()
    given.fail("o/0/i/0/a", NO_KEY)
    assert kinds(given.then())[-3:] == ["StepExpanded o/1/i", "IterationStarted o/1/i", *scheduled("o/1/i/0/a")]
