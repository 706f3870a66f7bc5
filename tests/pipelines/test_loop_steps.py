"""`for_loop` and `while_loop`: what they go over, when they end, what they give."""

from typing import Any

import pytest
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.rendering import condition_value, isolated_in_conditions, with_absent
from elexirion.pipelines.steps.composite import Part
from elexirion.pipelines.steps.for_loop import ForLoopStep
from elexirion.pipelines.steps.while_loop import WhileLoopStep
from elexirion.pipelines.template_errors import TemplateError

from tests.pipelines.files import loaded, pipeline, rendering, steps

INSIDE = "steps: [{name: in, type: test_echo}]"
SCOPE = Scope(
    inputs={"files": ["a", "b", "c"], "n": 3, "by_name": {"x": 1}},
    steps={"gen": StepView.of('```json\n{"orders": [1, 2]}\n```')},
)


def _for(line: str) -> ForLoopStep:
    step = pipeline(steps("name: gen, type: test_echo", f"name: loop, type: for_loop, {INSIDE}, {line}")).step("loop")
    assert isinstance(step, ForLoopStep)
    return step


def _items(line: str) -> list[Any]:
    found = pipeline(steps("name: gen, type: test_echo", f"name: loop, type: for_loop, {INSIDE}, {line}"))
    step = found.step("loop")
    assert isinstance(step, ForLoopStep)
    return step.items(rendering(found, SCOPE))


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("data_source: [1, 2]", [1, 2]),
        ("over: files", ["a", "b", "c"]),
        ("over: '{{ files }}'", ["a", "b", "c"]),
        ("data_source: 'previous_response:gen.orders'", [1, 2]),
        ("data_source: steps.gen.data.orders", [1, 2]),
        ("data_source: inputs.by_name", [{"key": "x", "value": 1}]),
        ("data_source: files, max_iterations: 2", ["a", "b", "c"]),
        ("data_source: ['{{ n }}', b]", [3, "b"]),
        ("data_source: []", []),
    ],
)
def test_a_loop_goes_over_a_list_a_path_or_a_template(line: str, items: list[Any]) -> None:
    assert _items(line) == items


def test_a_value_that_is_no_list_is_an_error_with_the_key_that_gave_it() -> None:
    with pytest.raises(TemplateError, match="`over` must give a list, not a number"):
        _items("over: n")


def test_the_iterator_has_two_spellings_and_a_usual_name() -> None:
    names = [_for(f"over: files{line}").iterator_name() for line in (", iterator: file", ", as: file", "")]
    assert names == ["file", "file", "item"]


def test_a_loop_runs_one_turn_at_a_time_unless_it_is_parallel() -> None:
    assert _for("over: files, max_parallel: 9").most_in_flight() == 1
    assert _for("over: files, parallel: true").most_in_flight() == 5
    assert _for("over: files, parallel: true, max_parallel: 2").most_in_flight() == 2


def test_a_loop_may_end_before_its_list_does() -> None:
    assert _for("over: files, max_iterations: 2").most_turns() == 2
    assert _for("over: files").most_turns() is None


def test_a_loop_stops_at_an_error_unless_it_is_told_to_go_on() -> None:
    assert _for("over: files").stops_at_error()
    assert not _for("over: files, break_on_error: false").stops_at_error()


def test_a_loop_gives_each_turn_and_why_it_ended() -> None:
    parts = [
        Part(0, "0", "completed", 5, steps={"in": 5}), Part(1, "1", "skipped"), Part(2, "2", "failed", error="no"),
    ]  # fmt: skip
    joined = _for("over: files").joined(parts, "break")
    assert (joined["iterations"], joined["ended_because"]) == (2, "break")
    assert (joined["completed"], joined["skipped"], joined["failed"]) == (1, 1, 1)
    assert joined["results"][0] == {"index": 0, "status": "completed", "result": 5, "error": None, "steps": {"in": 5}}
    assert joined["results"][2]["error"] == "no"


def _while(line: str) -> WhileLoopStep:
    step = pipeline(steps(f"name: loop, type: while_loop, {line}")).step("loop")
    assert isinstance(step, WhileLoopStep)
    return step


def test_a_while_loop_ends_after_its_turns_and_its_time_and_never_fails_for_time() -> None:
    step = _while(f"condition: true, timeout_seconds: 2, {INSIDE}")
    assert (step.most_turns(), step.most_seconds(), step.own_timeout_s()) == (100, 2.0, None)
    assert _while(f"condition: true, max_iterations: 7, {INSIDE}").most_turns() == 7


@pytest.mark.parametrize(
    "condition",
    [
        "in.score < 8", "steps.in.data.score < 8", "in.done", "in.result == 'again'", "in", "in.score + 1 > 2",
        "contains(in.tags, 'x')", "variables.found", "found > 2", "state.found",
    ],
)  # fmt: skip
def test_what_the_first_turn_has_not_given_yet_is_false_with_a_warning(condition: str) -> None:
    inside = "steps: [{name: in, type: test_echo}, {name: set, type: set_variable, variables: {found: 1}}]"
    step = _while(f'condition: "{condition}", {inside}')
    before = condition_value(step.condition, with_absent(step, Scope(loop={"index": 0})))
    assert not before.value
    assert before.warnings


def test_after_a_turn_its_results_decide() -> None:
    step = _while(f'condition: "not in.done and in.score < 8", {INSIDE}')
    for score, goes_on in ((3, True), (9, False)):
        scope = Scope(steps={"in": StepView.of({"score": score, "done": False})})
        assert condition_value(step.condition, with_absent(step, scope)).value is goes_on


def test_a_name_that_the_loop_does_not_give_stays_an_error() -> None:
    step = _while(f'condition: "other.x > 1", {INSIDE}')
    with pytest.raises(TemplateError, match="`other` is unknown"):
        condition_value(step.condition, with_absent(step, Scope()))


def test_costly_conditions_of_a_loop_are_evaluated_elsewhere() -> None:
    step = _for("over: files, break_condition: {or: ['in.x > 1', 'in.xs | sort | first > 2']}")
    assert [isolated.source for isolated in isolated_in_conditions(step.break_when())] == ["in.xs | sort | first > 2"]
    assert isolated_in_conditions(step.skip_when()) == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"type: for_loop, {INSIDE}", "a loop needs `data_source`"),
        (f"type: for_loop, {INSIDE}, over: a, data_source: b", "a loop needs `data_source`"),
        (f"type: for_loop, {INSIDE}, over: [1], as: x, iterator: y", "either `iterator` or `as`"),
        (f"type: for_loop, {INSIDE}, over: [1], as: my-item", "an iterator is a name"),
        ("type: for_loop, over: [1], steps: []", "`steps` is empty"),
        (f"type: for_loop, {INSIDE}, over: [1], max_iterations: 0", "greater than 0"),
        (f"type: for_loop, {INSIDE}, over: [1], break_condition: 'in.x >'", "does not parse"),
        (f"type: while_loop, {INSIDE}", "`condition` is missing"),
        (f"type: while_loop, {INSIDE}, condition: null", "needs a `condition`"),
        (f"type: while_loop, {INSIDE}, condition: true, max_iterations: 1001", "less than or equal to 1000"),
        ("type: while_loop, condition: true", "`steps` is missing"),
    ],
)
def test_a_wrong_loop_is_refused_at_its_line(line: str, message: str) -> None:
    with pytest.raises(PipelineInvalid, match=message) as caught:
        loaded(steps("name: first, type: test_echo", f"name: a, {line}"))
    assert {error.line for error in caught.value.errors} == {5}
