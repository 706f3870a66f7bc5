"""`pipeline`: a child, its inputs, and what it gives back."""

from typing import Any

import pytest
from elexirion.pipelines.loader import from_definition
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.rendering import render_output, render_step
from elexirion.pipelines.steps.pipeline_step import PipelineStep

from tests.pipelines.files import errors_of, loaded, pipeline, steps

CHILD = "pipeline: {name: child, steps: [{name: final_count, type: test_echo, value: '{{ inputs.count }}'}, {name: analysis, type: test_echo}]}"  # noqa: E501
GIVEN = "inputs: {count: '{{ n }}'}"


def _step(line: str) -> PipelineStep:
    step = pipeline(steps(f"name: call, type: pipeline, {line}")).step("call")
    assert isinstance(step, PipelineStep)
    return step


def _output(line: str) -> Any:
    definition = _step(f"{CHILD}, {GIVEN}, {line}").inline_definition()
    assert definition is not None
    views = {"final_count": StepView.of(7), "analysis": StepView.of({"metrics": {"accuracy": 0.95}})}
    return render_output(from_definition(definition), Scope(steps=views))


def test_inputs_and_file_are_rendered() -> None:
    line = "pipeline_file: '{{ n }}.yaml', inputs: {count: '{{ n }}', text: 'x{{ n }}'}, config: {max_depth: 3}"
    found = pipeline(steps(f"name: call, type: pipeline, {line}"))
    config = render_step(found, "call", Scope(inputs={"n": 4}), lambda _: b"").config
    assert config == {
        "inputs": {"count": 4, "text": "x4"}, "pipeline_file": "4.yaml", "inherit_context": False, "max_depth": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ("[final_count]", {"final_count": 7}),
        ("[analysis.metrics]", {"metrics": {"accuracy": 0.95}}),
        ("[{path: analysis.metrics.accuracy, as: sure}]", {"sure": 0.95}),
        ("[{path: steps.final_count.result, as: n}, results.analysis]",
         {"n": 7, "analysis": {"metrics": {"accuracy": 0.95}}}),
        ("['{{ final_count.result }}']", {"result": 7}),
    ],
)  # fmt: skip
def test_the_child_gives_back_the_wanted_outputs(outputs: str, expected: dict[str, Any]) -> None:
    assert _output(f"outputs: {outputs}") == expected


def test_without_outputs_the_child_has_its_own() -> None:
    definition = _step(f"{CHILD}, {GIVEN}").inline_definition()
    assert definition is not None
    assert "output" not in definition


def test_a_document_keeps_the_workflow_key_around_it() -> None:
    step = _step("pipeline_file: x.yaml, outputs: [a]")
    workflow = {"name": "c", "steps": [{"name": "a", "type": "test_echo"}], "output": "old"}
    assert step.child_definition({"workflow": workflow})["workflow"]["output"] == {"a": "a"}
    assert step.child_definition(workflow)["output"] == {"a": "a"}
    assert workflow["output"] == "old"


def test_a_child_may_stand_below_a_workflow_key() -> None:
    child = "pipeline: {workflow: {name: child, steps: [{name: a, type: test_echo}]}}"
    step = _step(child)
    assert step.pipeline is not None
    assert step.pipeline.name == "child"
    bad = "pipeline: {workflow: {name: child, steps: [{name: a, type: test_echo, value: '{{ steps.zz.text }}'}]}}"
    assert errors_of(steps(f"name: call, type: pipeline, {bad}")) == ["4: the step `zz` does not exist"]


def test_time_and_errors_of_the_config_are_those_of_the_step() -> None:
    found = pipeline(
        steps("name: a, type: pipeline, pipeline_file: x, config: {timeout_seconds: 5, continue_on_error: true}")
    )
    effective = found.effective("a")
    assert (effective.timeout_s, effective.continue_on_error) == (5, True)
    own = "name: a, type: pipeline, pipeline_file: x, timeout: 2s, continue_on_error: false"
    found = pipeline(steps(own + ", config: {timeout_seconds: 5, continue_on_error: true}"))
    assert (found.effective("a").timeout_s, found.effective("a").continue_on_error) == (2, False)


def test_names_of_the_child_are_its_own() -> None:
    child = "pipeline: {name: child, steps: [{name: a, type: test_echo}]}"
    assert errors_of(steps("name: a, type: test_echo", f"name: call, type: pipeline, {child}")) == []


def test_an_input_that_the_child_needs_must_be_given() -> None:
    text = steps(f"name: call, type: pipeline, {CHILD}")
    assert errors_of(text) == [
        "4: the pipeline of the step `call` needs the input `count`, which the step does not give"
    ]
    assert errors_of(steps(f"name: call, type: pipeline, {CHILD}, {GIVEN}")) == []


def test_a_child_that_inherits_takes_what_its_parent_has_and_needs_the_rest() -> None:
    call = f"name: call, type: pipeline, {CHILD}, config: {{inherit_context: true}}"
    assert [one.name for one in loaded(steps(call)).needed_inputs] == ["count"]
    assert loaded(steps(call) + "  variables: {count: 3}\n").needed_inputs == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("inputs: {}", "either `pipeline_file` or `pipeline`"),
        (f"pipeline_file: x, {CHILD}", "either `pipeline_file` or `pipeline`"),
        ("pipeline: {name: c, steps: [{name: a, type: nope}]}", "Unknown step type 'nope'"),
        ("pipeline: {name: c, steps: []}", "`steps` is empty"),
        ("pipeline: {name: c, steps: [{name: a, type: claude}]}", "`prompt` is missing"),
        ("pipeline: 3", "a mapping is expected"),
        ("pipeline_file: x, outputs: [a.x, b.x]", "two outputs are called `x`"),
        ("pipeline_file: x, outputs: ['a +']", "does not parse"),
        ("pipeline_file: x, outputs: [{as: y}]", "`path` is missing"),
        (f"{CHILD}, {GIVEN}, outputs: [steps.zz.result]", "`zz` does not exist"),
        ("pipeline_file: x, config: {max_depth: 0}", "greater than 0"),
        ("pipeline_file: x, inputs: {a: '{{ steps.zz.text }}'}", "`zz` does not exist"),
    ],
)
def test_a_wrong_child_is_refused_at_its_line(line: str, message: str) -> None:
    with pytest.raises(PipelineInvalid, match=message) as caught:
        loaded(steps("name: first, type: test_echo", f"name: a, type: pipeline, {line}"))
    assert {error.line for error in caught.value.errors} == {5}


def test_an_unknown_key_of_the_child_warns_at_its_place() -> None:
    found = loaded(steps("name: a, type: pipeline, pipeline: {name: c, steps: [{name: b, type: test_echo, tpye: 1}]}"))
    assert [warning.key_path for warning in found.warnings] == ["workflow.steps[0].pipeline.steps[0].tpye"]
