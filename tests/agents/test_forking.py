"""Which results a new run takes from another one, and what it says when there can be none."""

from typing import Any

import pytest
from elexirion.agents.forking import Forked, NotForked, forked
from elexirion.events.commands import ForkRun, PipelineReference, RetryRun, RunSource
from elexirion.events.run import VariablesSet
from elexirion.events.usage import NO_USAGE
from elexirion.projections.context import context_hash
from elexirion.projections.run_fold import judge_all

from tests.agents.decide.given import Given, planned
from tests.projections.partition_log import RUN, PartitionLog, failure

RETRY = RetryRun(new_run_id="again")


def ended(**fields: Any) -> Given:
    """a completed, side (beside it) set a variable, b failed for good, c waits for b."""
    given = Given(
        planned("a"), planned("side"), planned("b", "a"), planned("c", "b"), inputs={"topic": "tides"}, **fields
    )
    given.decide(VariablesSet(step="side", values={"tone": "dry"}))
    given.then()
    given.complete("a")
    given.then()
    given.fail("b", failure("auth", "no key"))
    assert given.then()[-1].type == "RunFailed"
    return given


def outcome(given: Given, command: RetryRun | ForkRun) -> Forked | NotForked:
    return forked(command, list(judge_all(record for record, _ in given.records)), given.state, given.plan)


def start_of(given: Given, command: RetryRun | ForkRun) -> Any:
    found = outcome(given, command)
    assert isinstance(found, Forked), found
    return found.start


def test_a_retry_goes_on_from_the_failed_step_and_keeps_all_else_that_is_over() -> None:
    found = outcome(ended(), RETRY)
    assert isinstance(found, Forked)
    assert (found.from_step, found.start.retry_of, found.start.fork_of) == ("b", RUN, None)
    assert found.start.carried is not None
    assert [one.name for one in found.start.carried.steps] == ["side", "a"], "in the order in which they ended"
    assert found.start.carried.variables == {"tone": "dry"}
    assert found.start.inputs == {"topic": "tides"}


@pytest.mark.parametrize("command", [RETRY, ForkRun(new_run_id="f", from_step="b")])
def test_the_new_run_has_the_priority_of_the_one_before(command: RetryRun | ForkRun) -> None:
    assert start_of(ended(), command).priority == "normal"
    assert start_of(ended(priority="low"), command).priority == "low"


def test_a_fork_takes_what_stands_above_its_step_and_overrides_inputs_else_variables() -> None:
    start = start_of(ended(), ForkRun(new_run_id="f", from_step="b", variables={"topic": "ebb", "tone": "warm"}))
    assert (start.fork_of, start.inputs) == (RUN, {"topic": "ebb"})
    assert (start.carried.variables, start.carried.setters) == ({"tone": "warm"}, {})
    nothing = start_of(ended(), ForkRun(new_run_id="f", from_step="a"))
    assert [one.name for one in nothing.carried.steps] == []


def test_results_count_in_the_new_run_from_its_first_event_and_their_use_does_not() -> None:
    given = ended()
    log = PartitionLog()
    start = start_of(given, RETRY)
    log.start("a", "side", "b", "c", run_id="again", carried=start.carried, retry_of=RUN)
    state = log.fold.runs["again"]
    assert (state.retry_of, state.usage, state.cost_usd) == (RUN, NO_USAGE, 0.0)
    assert [state.steps[name].status for name in state.steps] == ["completed", "completed", "pending", "pending"]
    assert state.steps["a"].result == given.state.steps["a"].result
    assert state.steps["a"].usage == given.state.steps["a"].usage != NO_USAGE
    assert state.steps["a"].carried_from == f"{RUN}/a#1"
    assert (state.variables, state.last_completed) == ({"tone": "dry"}, "a")
    assert context_hash(state) == context_hash(log.replay().runs["again"])


def test_what_was_carried_once_is_carried_again_from_where_it_was_made() -> None:
    again = Given(
        planned("a"), planned("side"), planned("b", "a"), planned("c", "b"), run_id="again",
        carried=start_of(ended(), RETRY).carried,
    )  # fmt: skip
    again.then()
    again.fail("b", failure("auth"))
    again.then()
    carried = start_of(again, RetryRun(new_run_id="third")).carried
    assert {one.name: one.origin for one in carried.steps} == {"a": f"{RUN}/a#1", "side": f"{RUN}/side"}
    assert carried.variables == {"tone": "dry"}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (RetryRun(new_run_id="n", from_step="bb"), "no_such_step"),
        (ForkRun(new_run_id="n", from_step="zz"), "no_such_step"),
        (ForkRun(new_run_id="n", from_step="b", variables={"tonne": 1}), "invalid_inputs"),
        (RetryRun(new_run_id=RUN), "not_applicable"),
    ],
)
def test_what_cannot_be_is_said_with_its_reason(command: RetryRun | ForkRun, code: str) -> None:
    found = outcome(ended(), command)
    assert isinstance(found, NotForked)
    assert found.code == code


def test_a_run_that_is_open_is_not_tried_again_but_may_be_forked() -> None:
    given = Given(planned("a"), planned("b", "a"))
    given.then()
    given.complete("a")
    refused = outcome(given, RETRY)
    assert isinstance(refused, NotForked)
    assert refused.code == "run_open"
    assert [one.name for one in start_of(given, ForkRun(new_run_id="n", from_step="b")).carried.steps] == ["a"]


# With another pipeline ------------------------------------------------------------------------------------


def changed(*steps: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"name": "changed", "steps": [{"name": name, "type": type_} for name, type_ in steps], **more}


def test_a_fork_with_another_pipeline_takes_what_stands_above_its_step_there_by_name_and_type() -> None:
    given = ended()
    document = changed(("a", "test_echo"), ("new", "test_echo"), ("side", "claude"), ("late", "test_echo"))
    reference = PipelineReference(pipeline=document, source=RunSource(file="changed.yaml"))
    command = ForkRun(new_run_id="f", from_step="late", pipeline=reference)
    found = forked(command, list(judge_all(r for r, _ in given.records)), given.state, given.plan, document)
    assert isinstance(found, Forked)
    assert (found.start.pipeline, found.start.source.file, found.start.fork_of) == (document, "changed.yaml", RUN)
    assert found.start.carried is not None
    assert [one.name for one in found.start.carried.steps] == ["a"], "`side` has another type, `new` never ran"


def test_a_step_that_the_other_pipeline_does_not_have_is_no_place_to_go_on_from() -> None:
    given = ended()
    command = ForkRun(new_run_id="f", from_step="b", pipeline=PipelineReference(pipeline="…"))
    found = forked(
        command, list(judge_all(r for r, _ in given.records)), given.state, given.plan, changed(("x", "claude"))
    )
    assert isinstance(found, NotForked)
    assert found.code == "no_such_step"


def test_inputs_and_variables_may_be_those_that_the_other_pipeline_declares() -> None:
    given = ended()
    document = changed(("a", "test_echo"), ("b", "test_echo"), inputs={"depth": {"type": "integer"}})
    reference = PipelineReference(pipeline=document)
    command = ForkRun(new_run_id="f", from_step="b", variables={"depth": 3, "tone": "warm"}, pipeline=reference)
    found = forked(command, list(judge_all(r for r, _ in given.records)), given.state, given.plan, document)
    assert isinstance(found, Forked)
    assert found.start.inputs == {"topic": "tides", "depth": 3}
    assert found.start.carried is not None
    assert found.start.carried.variables == {"tone": "warm"}
