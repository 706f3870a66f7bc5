"""Loops while a condition holds: their ends by the condition, by turns, by time, and by failures."""

from datetime import timedelta

from elexirion.agents.evaluated import Answer, Assigned, Holds, NotPossible
from elexirion.agents.questions import AboutTurn, Question
from elexirion.events.failure import Failure

from tests.agents.decide.given import kinds, planned
from tests.agents.decide.nested import Nested, loop, repeat
from tests.projections.partition_log import RUN, failure


def until(turns: int, path: str = "w") -> dict[Question, Answer]:
    """The condition holds for so many turns."""
    return {AboutTurn(path, turns): Holds(False)}


def scheduled(*paths: str) -> list[str]:
    return [f"StepScheduled {RUN}/{path}#1" for path in paths]


def test_turns_follow_each_other_while_the_condition_holds() -> None:
    given = Nested(repeat("w", planned("a")), planned("b", "w"))
    assert kinds(given.then(answers=until(2))) == ["StepExpanded w", "IterationStarted w", *scheduled("w/0/a")]
    given.finish("w/0/a")
    assert kinds(given.then(answers=until(2))) == ["IterationEnded w", "IterationStarted w", *scheduled("w/1/a")]
    given.finish("w/1/a")
    assert kinds(given.then(answers=until(2))) == ["IterationEnded w", "StepConcluded w", *scheduled("b")]
    assert given.state.steps["w"].ended_because == "condition"


def test_a_loop_whose_condition_never_held_has_no_turn() -> None:
    given = Nested(repeat("w", planned("a")))
    assert kinds(given.then(answers=until(0))) == ["StepExpanded w", "StepConcluded w", "RunCompleted"]


def test_the_condition_is_asked_anew_before_each_turn() -> None:
    given = Nested(repeat("w", planned("a")))
    given.then()
    given.finish("w/0/a")
    assert kinds(given.then(answers={AboutTurn("w", 1): None})) == ["IterationEnded w"]
    assert given.then(answers={AboutTurn("w", 1): None}) == []


def test_a_condition_that_cannot_be_evaluated_fails_the_loop() -> None:
    given = Nested(repeat("w", planned("a")))
    bad = NotPossible(Failure(kind="evaluation", message="`n` is unknown"))
    assert kinds(given.then(answers={AboutTurn("w", 0): bad})) == ["StepExpanded w", "StepRefused w", "RunFailed w"]
    assert given.state.failure == bad.failure


def test_a_loop_ends_after_its_last_allowed_turn() -> None:
    given = Nested(repeat("w", planned("a"), most_turns=2))
    assert given.through() == ["RunStarted", "RunCompleted"]
    assert given.state.steps["w"].ended_because == "max_iterations"
    assert [path for path in given.state.steps if "/" in path] == ["w/0/a", "w/1/a"]


def test_a_loop_out_of_time_begins_no_further_turn_and_does_not_fail() -> None:
    given = Nested(repeat("w", planned("a"), most_seconds=60.0))
    given.then()
    given.at(given.now + timedelta(seconds=61))
    assert given.then() == [], "the turn is not cut short"
    given.finish("w/0/a")
    assert kinds(given.then()) == ["IterationEnded w", "StepConcluded w", "RunCompleted"]
    assert given.state.steps["w"].ended_because == "timeout"


def test_a_failed_turn_fails_the_loop() -> None:
    given = Nested(repeat("w", planned("a")))
    given.then()
    given.fail("w/0/a", failure("auth", "no key"))
    assert kinds(given.then()) == ["IterationEnded w", "StepRefused w", "RunFailed w"]
    assert given.state.failure == Failure(kind="auth", message="w/0/a: no key")


def test_a_loop_of_variables_alone_does_all_its_turns_though_a_batch_of_decisions_is_bounded() -> None:
    given = Nested(repeat("w", planned("set", lane=None), most_turns=40))
    said = {f"w/{index}/set": Assigned({"n": index}) for index in range(40)}
    for _ in range(3):
        given.then(evaluations=said)
    assert given.state.status == "completed"
    assert given.state.variables == {"n": 39}


def test_a_loop_in_a_turn_of_another_begins_from_its_start() -> None:
    given = Nested(loop("o", repeat("w", planned("a"), most_turns=1)), opens={"o": 2})
    given.through()
    assert [path for path in given.state.steps if path.endswith("/a")] == ["o/0/w/0/a", "o/1/w/0/a"]
