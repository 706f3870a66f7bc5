"""Which step comes next, and what becomes of it."""

from dataclasses import replace
from datetime import timedelta

from elexirion.agents.decide import decide
from elexirion.agents.evaluated import Assigned, NotPossible, NotWanted
from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events import commands, run
from elexirion.events.failure import Failure
from elexirion.projections.context import context_hash

from tests.agents.decide.given import OUTPUT, SECOND, Given, fleet_of, kinds, planned
from tests.projections.partition_log import RUN, WORKER, failure


def test_steps_in_a_line_run_one_after_another_to_the_end() -> None:
    given = Given(planned("a"), planned("b", "a"), planned("c", "b"))
    for name in ("a", "b", "c"):
        assert kinds(given.then()) == [f"StepScheduled {RUN}/{name}#1"]
        assert given.then() == [], "nothing more while it runs"
        given.begin(name)
        given.complete(name)
    assert kinds(given.then()) == ["RunCompleted"]
    assert given.state.status == "completed"
    assert given.state.result == OUTPUT.value
    assert given.state.context_hash == context_hash(given.state)


def test_a_schedule_carries_what_was_evaluated_and_who_runs_it() -> None:
    given = Given(planned("a", timeout_s=12.5))
    (record,) = given.when()
    assert record.raw == {
        "execution_id": f"{RUN}/a#1", "step": "a", "step_type": "test_echo", "lane": "local", "incarnation": WORKER,
        "attempt": 1, "timeout_s": 12.5, "input": {"kind": "inline", "value": {"say": "a"}},
        "input_hash": "hash of a", "prompt_files": [["p.md", "s" * 64]], "output_file": "out/a.md",
        "fallback": None, "allowance": None,
    }  # fmt: skip
    assert (record.seq, record.prev) == (2, given.state.last)


def test_decisions_of_one_batch_are_numbered_and_chained() -> None:
    given = Given(planned("a"), planned("b"), planned("c"))
    records = given.when()
    assert [record.seq for record in records] == [2, 3, 4]
    assert [record.prev for record in records] == [given.state.last, records[0].id, records[1].id]


def test_branches_run_side_by_side_and_meet_again() -> None:
    given = Given(planned("a"), planned("b", "a"), planned("c", "a"), planned("d", "b", "c"))
    given.then()
    given.complete("a")
    assert kinds(given.then()) == [f"StepScheduled {RUN}/b#1", f"StepScheduled {RUN}/c#1"]
    given.complete("c")
    assert given.then() == [], "d needs both"
    given.complete("b")
    assert kinds(given.then()) == [f"StepScheduled {RUN}/d#1"]


def test_a_step_whose_condition_does_not_hold_is_skipped_and_the_rest_goes_on() -> None:
    given = Given(planned("a"), planned("b", "a"))
    records = given.then(evaluations={"a": NotWanted("its condition does not hold")})
    assert kinds(records) == ["StepSkipped a", f"StepScheduled {RUN}/b#1"]
    assert given.state.steps["a"].skip_reason == "its condition does not hold"


def test_a_run_whose_steps_are_all_skipped_completes() -> None:
    given = Given(planned("a"), planned("b", "a"))
    no = NotWanted("no")
    assert kinds(given.then(evaluations={"a": no, "b": no})) == ["StepSkipped a", "StepSkipped b", "RunCompleted"]


def test_set_variable_is_done_in_the_log_without_a_worker() -> None:
    given = Given(planned("set", lane=None), planned("a", "set"))
    records = given.then(evaluations={"set": Assigned({"tone": "dry"})})
    assert kinds(records) == ["VariablesSet set", f"StepScheduled {RUN}/a#1"]
    assert given.state.variables == {"tone": "dry"}
    assert given.state.steps["set"].status == "completed"


def test_a_step_that_cannot_be_rendered_fails_the_run() -> None:
    given = Given(planned("a"), planned("b"))
    bad = NotPossible(Failure(kind="evaluation", message="`topic` is not defined"))
    assert kinds(given.then(evaluations={"a": bad})) == ["StepRefused a", "RunFailed a"]
    assert given.state.failed_step == "a"
    assert given.state.failure == bad.failure


def test_a_step_that_cannot_be_rendered_may_be_passed_over() -> None:
    given = Given(planned("a", continue_on_error=True), planned("b", "a"))
    bad = NotPossible(Failure(kind="evaluation", message="no"))
    assert kinds(given.then(evaluations={"a": bad})) == ["StepRefused a", f"StepScheduled {RUN}/b#1"]


def test_a_step_that_nobody_evaluated_yet_waits() -> None:
    given = Given(planned("a"))
    facts = given.facts()

    assert decide(given.state, given.plan, replace(facts, answers={})) == []


def test_without_a_free_slot_nothing_is_placed() -> None:
    given = Given(planned("a"), planned("b"))
    assert given.when(fleet=fleet_of(WORKER, slots=0)) == []
    assert given.when(fleet=fleet_of()) == []
    assert kinds(given.when(fleet=fleet_of(WORKER, slots=1))) == [f"StepScheduled {RUN}/a#1"]


def test_one_decision_spreads_over_the_workers() -> None:
    given = Given(*(planned(name) for name in "abcd"))
    records = given.when(fleet=fleet_of(WORKER, SECOND, slots=2))
    assert [record.raw["incarnation"] for record in records] == [WORKER, SECOND, WORKER, SECOND]


def test_a_run_places_no_more_than_it_may() -> None:
    given = Given(*(planned(name) for name in "abcd"))
    assert len(given.when(most={"local": 1})) == 1
    assert len(given.when(most={"local": 3})) == 3


def test_what_a_run_may_place_on_one_lane_says_nothing_of_another() -> None:
    given = Given(planned("a"), planned("b"), planned("c", lane="gemini"))
    both = fleet_of(WORKER, lanes=("local", "gemini"))
    assert kinds(given.when(fleet=both, most={"local": 0})) == [f"StepScheduled {RUN}/c#1"]


def test_a_batch_is_bounded_and_goes_on_afterwards() -> None:
    given = Given(*(planned(f"s{n}") for n in range(70)))
    assert len(given.then()) == 64
    assert len(given.then()) == 6


# Failures -------------------------------------------------------------------------------------------------


def waits(given: Given, **fields: object) -> float:
    (record,) = given.then(**fields)
    assert record.type == "StepRetryScheduled"
    assert given.state.steps["a"].due_at == given.now + timedelta(seconds=record.raw["delay_s"])
    return float(record.raw["delay_s"])


def fail_and_wait(given: Given, why: Failure | None = None) -> float:
    given.then()
    given.fail("a", why)
    return waits(given)


def test_retries_wait_one_and_two_seconds_and_then_the_run_fails() -> None:
    given = Given(planned("a"))
    assert fail_and_wait(given) == 1.0
    assert given.then() == [], "it is not due yet"
    given.at(given.state.steps["a"].due_at or given.now)
    assert kinds(given.then()) == [f"StepScheduled {RUN}/a#2"]
    assert given.state.executions[f"{RUN}/a#2"].attempt == 2
    given.fail("a")
    assert waits(given) == 2.0
    given.at(given.state.steps["a"].due_at or given.now)
    given.then()
    given.fail("a")
    assert kinds(given.then()) == ["RunFailed a"]
    assert given.state.failure and given.state.failure.message == "Max retries exceeded: busy"
    assert given.state.failure.kind == "overloaded"


def test_a_provider_that_asks_for_more_time_gets_it_up_to_the_cap() -> None:
    assert fail_and_wait(Given(planned("a")), why=failure("rate_limited", retry_after_s=7.5)) == 7.5
    assert fail_and_wait(Given(planned("a")), why=failure("rate_limited", retry_after_s=0.2)) == 1.0
    assert fail_and_wait(Given(planned("a")), why=failure("rate_limited", retry_after_s=600)) == 30.0


def test_a_step_tried_again_keeps_what_it_was_given() -> None:
    given = Given(planned("a"))
    fail_and_wait(given)
    given.at(given.state.steps["a"].due_at or given.now)
    (record,) = given.then(evaluations={"a": NotWanted("evaluating again would say so")})
    assert record.raw["input"] == {"kind": "inline", "value": {"say": "a"}}
    assert record.raw["prompt_files"] == [["p.md", "s" * 64]]


def test_a_permanent_failure_fails_the_run_at_once_with_its_own_message() -> None:
    given = Given(planned("a"), planned("b"))
    given.then()
    given.fail("a", failure("invalid_request", "no such model"))
    assert kinds(given.then()) == ["RunFailed a"]
    assert given.state.failure and given.state.failure.message == "no such model"
    assert given.state.executions[f"{RUN}/b#1"].closed_by == "run_ended"


def test_a_failure_that_the_policy_does_not_name_is_not_tried_again() -> None:
    given = Given(planned("a", retry=RetryRule(retry_on=("rate_limited",))))
    given.then()
    given.fail("a", failure("overloaded"))
    assert kinds(given.then()) == ["RunFailed a"]


def test_retries_that_were_not_used_up_are_not_said_to_be_exceeded() -> None:
    given = Given(planned("a", retry=RetryRule(retry_on=("rate_limited",), max_attempts=5)))
    fail_and_wait(given, why=failure("rate_limited"))
    given.at(given.state.steps["a"].due_at or given.now).then()
    given.fail("a", failure("overloaded", "busy"))
    given.then()
    assert given.state.failure and given.state.failure.message == "busy"


def test_a_single_attempt_is_no_retry() -> None:
    given = Given(planned("a", retry=RetryRule(max_attempts=1)))
    given.then()
    given.fail("a")
    given.then()
    assert given.state.failure and given.state.failure.message == "busy"


def test_a_run_goes_on_after_a_failure_that_may_be_passed_over() -> None:
    given = Given(planned("a", continue_on_error=True), planned("b", "a"))
    given.then()
    given.fail("a", failure("auth", "no key"))
    assert kinds(given.then()) == [f"StepScheduled {RUN}/b#1"]
    given.complete("b")
    assert kinds(given.then()) == ["RunCompleted"]
    assert given.state.steps["a"].status == "failed"


def test_a_failure_that_may_be_passed_over_is_tried_again_all_the_same() -> None:
    given = Given(planned("a", continue_on_error=True), planned("b", "a"))
    assert fail_and_wait(given) == 1.0
    assert given.then() == []


def test_a_failing_branch_ends_the_run_while_another_still_runs() -> None:
    given = Given(planned("a"), planned("b"))
    given.then()
    given.begin("b")
    given.fail("a", failure("auth"))
    given.then()
    assert given.complete("b") == "run_ended"


def test_jitter_shortens_the_wait_and_is_recorded() -> None:
    given = Given(planned("a", retry=RetryRule(jitter=True)))
    given.then()
    given.fail("a")
    assert waits(given, jitter=0.5) == 0.75


# Pause and end ----------------------------------------------------------------------------------------------


def paused(given: Given) -> None:
    given.receive(commands.PauseRun(), "pause")
    assert given.decide(run.RunPaused(command_id="pause")) is None


def test_a_paused_run_lets_its_executions_end_and_starts_nothing() -> None:
    given = Given(planned("a"), planned("b", "a"))
    given.then()
    paused(given)
    assert given.complete("a") is None
    assert given.then() == []
    given.receive(commands.ResumeRun(), "resume")
    given.decide(run.RunResumed(command_id="resume"))
    assert kinds(given.then()) == [f"StepScheduled {RUN}/b#1"]


def test_a_paused_run_does_not_complete() -> None:
    given = Given(planned("a"))
    given.then()
    given.complete("a")
    paused(given)
    assert given.then() == []


def test_a_paused_run_still_fails() -> None:
    given = Given(planned("a"))
    given.then()
    paused(given)
    given.fail("a", failure("auth"))
    assert kinds(given.then()) == ["RunFailed a"]


def test_an_output_that_cannot_be_rendered_fails_the_run_without_a_step() -> None:
    given = Given(planned("a"))
    given.then()
    given.complete("a")
    bad = NotPossible(Failure(kind="evaluation", message="output: no"))
    assert kinds(given.then(output=bad)) == ["RunFailed"]
    assert (given.state.failed_step, given.state.failure) == (None, bad.failure)


def test_a_run_does_not_complete_before_its_output_is_known() -> None:
    given = Given(planned("a"))
    given.then()
    given.complete("a")
    assert given.then(output=None) == []


def test_nothing_is_decided_after_the_end() -> None:
    given = Given(planned("a"))
    given.end(run.RunFailed)
    assert given.when() == []


def test_what_a_run_made_without_a_network_says_so() -> None:
    given = Given(planned("a"), offline=True)
    assert all(record.offline for record in given.when())
    assert given.state.offline
