"""One hash says whether two readers saw the same run: equal in every fold, other with one changed byte."""

from dataclasses import replace

import pytest
from elexirion.events import commands, run, step
from elexirion.events.canonical import canonical_json
from elexirion.events.codec import UndecodableError, decode, encode
from elexirion.events.provider import ProviderRequested
from elexirion.projections.context import (
    context_hash,
    context_of,
    get_all_variables,
    get_variable,
    hash_after,
)
from elexirion.projections.run_fold import fold_run, judge_all
from hypothesis import given
from hypothesis import strategies as st

from tests.projections.partition_log import START, WORKER, RunLog, failure

ENDS = [run.RunCompleted, run.RunFailed, run.RunCancelled, run.RunQuarantined]


def full_run(end: type = run.RunCompleted) -> RunLog:
    """A run in which nearly everything happened."""
    log = RunLog("set", "a", "b", "c", tags={"team": "docs"}, inputs={"topic": "tides"})
    log.decide(run.VariablesSet(step="set", values={"tone": "dry", "n": 1}))
    log.schedule("a")
    log.begin("a")
    log.report(ProviderRequested(execution_id=log.execution("a"), incarnation=WORKER, call_id=f"{log.execution('a')}/1",
                                 provider="p", model="m", request_sha256="s" * 64))  # fmt: skip
    log.fail("a")
    log.decide(step.StepRetryScheduled(step="a", attempt=2, due_at=START, delay_s=1, failure=failure()))
    log.schedule("a")
    log.orphan("a", ran_s=2.0)
    log.schedule("a")
    log.complete("a", value={"text": "Grüße"})
    log.receive(commands.PauseRun(), "pause")
    log.decide(run.RunPaused(command_id="pause"))
    log.receive(commands.ResumeRun(), "resume")
    log.decide(run.RunResumed(command_id="resume"))
    log.decide(step.StepSkipped(step="b", reason="condition"))
    log.schedule("c")
    log.complete("c", n=1)
    log.end(end)
    assert not any(log.refusals)
    return log


FULL = full_run()
OF_RUN = [n for n, (record, _) in enumerate(FULL.records) if record.type not in ("CommandReceived",)]


@pytest.mark.parametrize("end", ENDS, ids=lambda kind: kind.__name__)
def test_the_hash_in_the_terminal_event_is_that_of_the_final_context(end: type) -> None:
    log = full_run(end)
    said = log.records[-1][0].raw["context_hash"]
    assert said == context_hash(log.state) == log.state.context_hash
    assert log.fold.ended[log.run_id].context_hash == said


def test_two_folds_of_one_log_have_the_same_hash() -> None:
    again = fold_run(record for record, _ in FULL.records)
    assert again is not None
    assert canonical_json(context_of(again)) == canonical_json(context_of(FULL.state))
    assert context_hash(again) == context_hash(FULL.state)


def test_every_prefix_of_a_log_folds_to_the_same_state_each_time() -> None:
    for length in range(1, len(FULL.records) + 1):
        records = [record for record, _ in FULL.records[:length]]
        assert fold_run(records) == fold_run(records)


def test_going_on_from_a_prefix_is_folding_the_whole() -> None:
    states = [judged.state for judged in judge_all(record for record, _ in FULL.records)]
    assert states[-1] == FULL.state
    assert [state.position if state else 0 for state in states] == sorted(s.position if s else 0 for s in states)


@given(st.sampled_from(OF_RUN), st.data())
def test_a_changed_byte_of_an_accepted_record_changes_the_hash(n: int, data: st.DataObject) -> None:
    original = FULL.records[n][0]
    value = bytearray(encode(original))
    begin = value.index(b'"data":') + len(b'"data":')
    value[data.draw(st.integers(begin, len(value) - 2))] = data.draw(st.integers(32, 126))
    try:
        changed = decode(bytes(value))
    except UndecodableError:
        return
    relevant = [{k: v for k, v in r.raw.items() if k != "context_hash"} for r in (changed, original)]
    if canonical_json(relevant[0]) == canonical_json(relevant[1]):
        return
    records = [record for record, _ in FULL.records]
    state = fold_run([*records[:n], changed, *records[n + 1 :]])
    assert state is None or context_hash(state) != context_hash(FULL.state)


def test_each_accepted_record_is_covered_by_the_hash() -> None:
    records = [record for record, _ in FULL.records]
    for n in OF_RUN[1:]:
        marked = replace(records[n], raw={**records[n].raw, "one_more": 1})
        state = fold_run([*records[:n], marked, *records[n + 1 :]])
        assert state is not None
        assert context_hash(state) != context_hash(FULL.state), records[n].type


def test_the_hash_after_a_terminal_does_not_depend_on_the_hash_it_carries() -> None:
    log = RunLog()
    right = log.decision(run.RunQuarantined(reason="r", crashes=4, context_hash=""))
    wrong = replace(right, raw={**right.raw, "context_hash": "f" * 64})
    assert hash_after(log.state, right) == hash_after(log.state, wrong)


def test_the_context_shows_variables_results_and_where_the_run_stands() -> None:
    context = context_of(FULL.state)
    assert context["variables"] == {"tone": "dry", "n": 1}
    assert context["current_step"] is None
    assert context["step_results"]["a"]["result"] == {"kind": "inline", "value": {"text": "Grüße"}}
    assert context["step_results"]["a"]["usage"]["input_tokens"] == 20, "both attempts are counted"
    assert context["step_results"]["b"]["skip_reason"] == "condition"
    assert context["status"] == "completed"
    assert context["metadata"]["position"] == FULL.state.position == len(OF_RUN)
    assert context["start_time"].endswith("Z")


def test_a_variable_is_read_by_name_and_an_unknown_one_is_named() -> None:
    assert get_variable(FULL.state, "tone") == "dry"
    variables = get_all_variables(FULL.state)
    variables["tone"] = "other"
    assert get_variable(FULL.state, "tone") == "dry"
    with pytest.raises(KeyError, match=r"no variable 'mood' \(it has: n, tone\)"):
        get_variable(FULL.state, "mood")


def test_an_unknown_cost_makes_the_sum_unknown() -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    log.complete("a")
    log.schedule("b")
    unknown = log.completed("b").model_copy(update={"cost_usd": None})
    log.report(unknown)
    assert log.state.cost_usd is None
    assert log.state.steps["a"].cost_usd == 0.01


def test_a_decision_to_end_is_void_where_a_report_landed_before_it() -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    log.schedule("b")
    log.fail("a", failure("auth"))
    end = log.decision(
        run.RunFailed(failure=failure("auth"), step="a", usage=log.state.usage, cost_usd=0.01, context_hash="")
    )
    assert log.begin("b") is None
    assert log.write(end) == "wrong_position"
    assert log.decide(end.data) is None, "it is decided anew, with the hash of its new place"
    assert log.state.context_hash == context_hash(log.state)
