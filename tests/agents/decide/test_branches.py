"""One block of several."""

from elexirion.agents.evaluated import Assigned, NotPossible, NotWanted
from elexirion.events.failure import Failure

from tests.agents.decide.given import kinds, planned
from tests.agents.decide.nested import Nested, batch, loop, switch
from tests.projections.partition_log import RUN, failure

CASES = {"good": (planned("praise"), planned("thank", "praise")), "bad": (planned("mend"),), "none": ()}


def scheduled(*paths: str) -> list[str]:
    return [f"StepScheduled {RUN}/{path}#1" for path in paths]


def test_the_chosen_block_runs_and_no_other() -> None:
    given = Nested(switch("s", **CASES), planned("b", "s"), opens={"s": "good"})
    assert kinds(given.then()) == ["StepExpanded s", *scheduled("s/praise")]
    given.finish("s/praise")
    assert kinds(given.then()) == scheduled("s/thank")
    given.finish("s/thank")
    assert kinds(given.then()) == ["StepConcluded s", *scheduled("b")]
    assert "s/mend" not in given.state.steps


def test_a_value_that_fits_no_case_concludes_the_switch_at_once() -> None:
    given = Nested(switch("s", **CASES), opens={"s": None})
    assert kinds(given.then()) == ["StepExpanded s", "StepConcluded s", "RunCompleted"]


def test_a_case_without_steps_concludes_the_switch_at_once() -> None:
    given = Nested(switch("s", **CASES), opens={"s": "none"})
    assert kinds(given.then()) == ["StepExpanded s", "StepConcluded s", "RunCompleted"]


def test_a_case_may_have_the_empty_text_as_its_name() -> None:
    given = Nested(switch("s", **{"": (planned("a"),)}), opens={"s": ""})
    assert kinds(given.then()) == ["StepExpanded s", *scheduled("s/a")]


def test_a_value_that_cannot_be_evaluated_fails_the_switch() -> None:
    given = Nested(switch("s", **CASES))
    bad = NotPossible(Failure(kind="evaluation", message="no"))
    assert kinds(given.then(evaluations={"s": bad})) == ["StepRefused s", "RunFailed s"]


def test_a_switch_that_is_not_wanted_is_skipped_with_all_it_holds() -> None:
    given = Nested(switch("s", **CASES))
    assert kinds(given.then(evaluations={"s": NotWanted("no")})) == ["StepSkipped s", "RunCompleted"]


def test_a_failed_step_fails_the_switch_once_nothing_of_it_runs() -> None:
    given = Nested(switch("s", both=(planned("a"), planned("b"))), opens={"s": "both"})
    given.then()
    given.fail("s/b", failure("auth", "no key"))
    assert given.then() == []
    given.finish("s/a")
    assert kinds(given.then()) == ["StepRefused s", "RunFailed s"]
    assert given.state.failure == Failure(kind="auth", message="s/b: no key")


def test_a_variable_set_in_a_branch_holds_afterwards() -> None:
    given = Nested(switch("s", x=(planned("set", lane=None),)), opens={"s": "x"})
    given.then(evaluations={"s/set": Assigned({"tone": "dry"})})
    assert given.state.variables == {"tone": "dry"}


def test_a_variable_of_a_loop_holds_for_the_run_where_a_branch_is_in_no_loop() -> None:
    given = Nested(switch("s", x=(planned("set", lane=None),)), opens={"s": "x"})
    given.then(evaluations={"s/set": Assigned({"tone": "dry"}, "loop")})
    assert given.state.variables == {"tone": "dry"}


def test_a_variable_of_a_loop_holds_in_its_turn_only_also_within_a_branch_of_it() -> None:
    given = Nested(loop("l", switch("s", x=(planned("set", lane=None),))), opens={"l": 1, "s": "x"})
    given.then(evaluations={"l/0/s/set": Assigned({"tone": "dry"}, "loop")})
    assert given.state.variables == {}


def test_branches_hold_batches_and_loops_hold_branches() -> None:
    given = Nested(
        loop("l", switch("s", x=(batch("b", most=2), planned("after", "b")))), opens={"l": 2, "s": "x", "b": 2}
    )
    assert given.through() == ["RunStarted", "RunCompleted"]
    ran = [record.raw["step"] for record, _ in given.records if record.type == "StepScheduled"]
    assert ran == [f"l/{turn}/s/{step}" for turn in (0, 1) for step in ("b/0", "b/1", "after")]
