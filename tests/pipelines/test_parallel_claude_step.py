"""`parallel_claude`: tasks by their id."""

import pytest
from elexirion.pipelines.names import Scope
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.rendering import condition_holds, render_step
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import Part
from elexirion.pipelines.steps.parallel_claude import ParallelClaudeStep

from tests.pipelines.files import loaded, pipeline, rendering, steps

TASKS = (
    "parallel_tasks: [{id: docs, prompt: 'On {{ topic }}', output_to_file: docs.md, claude_options: {max_turns: 4}},"
    " {id: 2, prompt: y, condition: \"topic == 'x'\"}]"
)
SCOPE = Scope(inputs={"topic": "Kafka"}, item={"id": "docs"}, loop={"index": 0})


def _step(line: str = TASKS) -> tuple[Pipeline, ParallelClaudeStep]:
    found = pipeline(steps(f"name: both, type: parallel_claude, {line}"))
    step = found.step("both")
    assert isinstance(step, ParallelClaudeStep)
    return found, step


def test_all_tasks_run_at_once_each_a_claude_step_with_its_own_keys() -> None:
    found, step = _step(TASKS + ", claude_options: {model: haiku, max_turns: 1}")
    assert step.most_in_flight() == 2
    assert step.items(rendering(found)) == [{"id": "docs", "item": {"id": "docs"}}, {"id": "2", "item": {"id": "2"}}]
    rendered = render_step(found, step.item_step(0), SCOPE, lambda _: b"")
    assert rendered.config["prompt"] == "On Kafka"
    assert (rendered.config["model"], rendered.config["options"]) == ("haiku", {"max_turns": 4})
    assert rendered.output_to_file == "outputs/docs.md"


def test_a_task_has_a_condition_of_its_own() -> None:
    found, step = _step()
    assert condition_holds(found, step.item_step(0), SCOPE).value
    assert not condition_holds(found, step.item_step(1), SCOPE).value


def test_the_result_is_found_by_id_and_what_is_json_by_its_fields() -> None:
    _, step = _step()
    parts = [
        Part(0, "docs", "completed", '{"coverage": 0.9}'), Part(1, "text", "completed", "just 3 words"),
        Part(2, "bad", "failed", error="no"), Part(3, "left", "skipped"), Part(4, "number", "completed", "12"),
    ]  # fmt: skip
    assert step.joined(parts) == {
        "docs": {"coverage": 0.9}, "text": "just 3 words", "bad": {"error": "no"}, "left": None, "number": "12",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("parallel_tasks: []", "`parallel_tasks` is empty"),
        ("parallel_tasks: [{prompt: x}]", "needs an `id`"),
        ("parallel_tasks: [{id: a}]", "neither a `prompt` nor a `file`"),
        ("parallel_tasks: [{id: a, prompt: x}, {task_id: a, prompt: y}]", "stands at 2 parallel tasks"),
        ("parallel_tasks: [{id: a, prompt: [{type: previous_response, step: zz}]}]", "`zz` does not exist"),
        ("parallel_tasks: [{id: a, prompt: x, output_to_file: '{{ steps.zz.text }}'}]", "`zz` does not exist"),
        ("parallel_tasks: [{id: a, prompt: x, claude_options: {max_turns: 0}}]", "greater than 0"),
    ],
)
def test_wrong_tasks_are_refused_at_their_line(line: str, message: str) -> None:
    with pytest.raises(PipelineInvalid, match=message) as caught:
        loaded(steps("name: first, type: test_echo", f"name: a, type: parallel_claude, {line}"))
    assert {error.line for error in caught.value.errors} == {5}
