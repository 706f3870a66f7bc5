"""`claude_batch`: its two forms, the step of each item, and the joint result."""

from typing import Any

import pytest
from elexirion.pipelines.isolated import Isolated
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.rendering import isolated_in_step, render_step
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.claude_batch import ClaudeBatchStep
from elexirion.pipelines.steps.composite import Part
from elexirion.pipelines.template_errors import TemplateError

from tests.pipelines.files import errors_of, loaded, pipeline, rendering, steps, warnings_of

SCOPE = Scope(inputs={"files": ["a.py", "b.py"], "text": "hello"})


def _batch(line: str, rest: str = "") -> tuple[Pipeline, ClaudeBatchStep]:
    found = pipeline(steps(f"name: batch, type: claude_batch, {line}") + rest)
    step = found.step("batch")
    assert isinstance(step, ClaudeBatchStep)
    return found, step


def _items(line: str, scope: Scope = SCOPE) -> list[dict[str, Any]]:
    found, step = _batch(line + ", step_template: {prompt: 'On {{ item }}'}")
    return step.items(rendering(found, scope))


def _config(line: str, index: int = 0, *, item: Any = None, rest: str = "") -> dict[str, Any]:
    found, step = _batch(line, rest)
    scope = Scope(item=item, loop={"index": index}, inputs=SCOPE.inputs)
    return render_step(found, step.item_step(index), scope, lambda path: f"<{path}>".encode()).config


@pytest.mark.parametrize("items", ["[a.py, b.py]", "'{{ files }}'", "files", "['{{ files[0] }}', b.py]"])
def test_items_are_a_list_a_template_or_a_path(items: str) -> None:
    found = _items(f"items: {items}")
    assert found == [{"id": "0", "item": "a.py"}, {"id": "1", "item": "b.py"}]


def test_text_that_is_json_is_a_list_and_items_with_an_id_are_found_by_it() -> None:
    scope = Scope(steps={"plan": StepView.of('[{"id": "x", "n": 1}, {"id": 7}, {"n": 2}]')})
    line = "name: plan, type: test_echo"
    found = pipeline(steps(line, "name: b, type: claude_batch, items: steps.plan.text, step_template: {prompt: x}"))
    step = found.step("b")
    assert isinstance(step, ClaudeBatchStep)
    assert [item["id"] for item in step.items(rendering(found, scope))] == ["x", "7", "2"]


def test_items_that_are_no_list_are_an_error_that_does_not_show_them() -> None:
    with pytest.raises(TemplateError, match="`items` must give a list, not text") as caught:
        _items("items: text")
    assert "hello" not in str(caught.value)


def test_a_template_without_name_and_type_is_a_claude_step_named_like_the_batch() -> None:
    _, step = _batch("items: [1], step_template: {prompt: 'On {{ item }}'}")
    leaf = step.item_step(0)
    assert (leaf.type, leaf.name, leaf.lane) == ("claude", "batch", "claude")
    assert _config("items: [1], step_template: {prompt: 'On {{ item }}, {{ loop.index }}'}", item="a.py")["prompt"] == (
        "On a.py, 0"
    )


def test_any_type_that_runs_on_a_worker_may_be_the_template_and_no_other() -> None:
    config = _config("items: [1], step_template: {type: test_echo, value: '{{ item }}'}", item=3)
    assert config["value"] == 3
    for kind in ("set_variable, variables: {a: 1}", "delay, seconds: 1", "switch, expression: a, cases: {b: []}"):
        found = errors_of(steps(f"name: a, type: claude_batch, items: [1], step_template: {{type: {kind}}}"))
        assert "cannot be the step of an item" in found[0]


def test_the_definition_keeps_what_the_author_wrote_of_a_template() -> None:
    found = loaded(steps("name: a, type: claude_batch, items: [1], step_template: {prompt: x}"))
    assert found.definition["steps"][0]["step_template"] == {"prompt": "x"}


def test_an_unknown_key_of_a_template_warns_at_its_line() -> None:
    text = steps("name: a, type: claude_batch, items: [1], step_template: {prompt: x, colour: red}")
    assert warnings_of(text) == ["4: unknown key `colour` has no effect"]


def test_options_of_the_step_hold_for_all_items_and_those_of_an_item_win() -> None:
    line = (
        "preset: test, claude_options: {model: haiku, max_turns: 2}, tasks: [{id: a, prompt: x},"
        " {task_id: b, prompt: y, claude_options: {model: opus}}]"
    )
    found, step = _batch(line, "  defaults: {claude_options: {temperature: 0.5, model: sonnet}}\n")
    first, second = (found.effective(step.item_step(index)).options for index in range(2))
    assert (first["model"], first["max_turns"], first["temperature"], first["output_format"]) == (
        "haiku", 2, 0.5, "json",
    )  # fmt: skip
    assert (second["model"], second["max_turns"]) == ("opus", 2)


def test_options_and_retry_of_the_step_reach_the_template_unless_it_has_its_own() -> None:
    shared = "claude_options: {model: haiku, max_turns: 2}, retry: {max_attempts: 5}, timeout: 2s, items: [1]"
    found, step = _batch(shared + ", step_template: {prompt: x, claude_options: {model: opus}}")
    effective = found.effective(step.item_step(0))
    assert (effective.options, effective.retry.max_attempts, effective.timeout_s) == (
        {"model": "opus", "max_turns": 2}, 5, 2.0,
    )  # fmt: skip
    found, step = _batch(shared + ", step_template: {prompt: x, retry: {max_attempts: 1}, timeout_ms: 7000}")
    effective = found.effective(step.item_step(0))
    assert (effective.retry.max_attempts, effective.timeout_s) == (1, 7.0)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("tasks: [{prompt: x}]", 60.0),
        ("tasks: [{prompt: x}], batch_config: {timeout_per_task: 9000}", 9.0),
        ("tasks: [{prompt: x, claude_options: {timeout_ms: 5000}}], batch_config: {timeout_per_task: 9000}", 5.0),
        ("tasks: [{prompt: x}], claude_options: {timeout_ms: 4000}", 4.0),
        ("items: [1], step_template: {prompt: x}", 300.0),
    ],
)
def test_a_task_has_a_minute_unless_something_nearer_says_otherwise(line: str, seconds: float) -> None:
    found, step = _batch(line)
    assert found.effective(step.item_step(0)).timeout_s == seconds
    assert found.effective(step).timeout_s is None


def test_a_shared_prompt_stands_in_front_of_that_of_each_task_and_its_file_after() -> None:
    line = (
        "prompt: 'In one word:', tasks: [{id: a, prompt: [{type: static, content: 'on {{ item.id }}'}], file: n.txt}]"
    )
    assert _config(line, item={"id": "a"})["prompt"] == "In one word:\non a\n<n.txt>"


def test_a_prompt_alone_is_a_batch_of_one_and_a_prompt_with_items_one_for_each() -> None:
    found, step = _batch("prompt: hi")
    assert len(step.items(rendering(found))) == len(step.item_steps()) == 1
    found, step = _batch("prompt: 'On {{ item }}', items: [1, 2]")
    assert len(step.items(rendering(found))) == 2
    assert _config("prompt: 'On {{ item }}', items: [1, 2]", 1, item=2)["prompt"] == "On 2"


@pytest.mark.parametrize(
    ("line", "most"),
    [
        ("items: [1], step_template: {prompt: x}", 10),
        ("items: [1], step_template: {prompt: x}, max_parallel: 4", 4),
        ("items: [1], step_template: {prompt: x}, parallel: false", 1),
        ("tasks: [{prompt: x}]", 3),
        ("tasks: [{prompt: x}], batch_config: {max_parallel: 2}", 2),
    ],
)
def test_so_many_items_are_in_flight_at_most(line: str, most: int) -> None:
    assert _batch(line)[1].most_in_flight() == most


def test_the_result_has_each_item_in_order_the_counts_and_the_groups() -> None:
    _, step = _batch("items: [1], step_template: {prompt: x}, batch_size: 2")
    parts = [Part(0, "a", "completed", "A"), Part(1, "b", "failed", error="no"), Part(2, "c", "skipped")]
    assert step.joined(parts) == {
        "results": [
            {"index": 0, "id": "a", "status": "completed", "result": "A", "error": None},
            {"index": 1, "id": "b", "status": "failed", "result": None, "error": "no"},
            {"index": 2, "id": "c", "status": "skipped", "result": None, "error": None},
        ],
        "completed": 1, "failed": 1, "skipped": 1,
        "batches": [{"completed": 1, "failed": 1, "skipped": 0}, {"completed": 0, "failed": 0, "skipped": 1}],
    }  # fmt: skip


def test_consolidated_results_are_one_text_as_well() -> None:
    _, step = _batch("tasks: [{prompt: x}, {prompt: y}], batch_config: {consolidate_results: true}")
    joined = step.joined([Part(0, "a", "completed", "A"), Part(1, "b", "completed", {"n": 1})])
    assert joined["text"] == '## a\n\nA\n\n## b\n\n{"n": 1}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("items: [1]", "need a `step_template`"),
        ("items: [1], tasks: [{prompt: x}], prompt: y", "either `items` or `tasks`"),
        ("step_template: {prompt: x}", "needs `items`"),
        ("parallel: true", "a batch needs"),
        ("tasks: [{id: a}]", "task 1 has neither"),
        ("tasks: []", "`tasks` is empty"),
        ("items: 'a +', step_template: {prompt: x}", "does not parse"),
        ("items: [1], step_template: {prompt: '{{ nope( }}'}", "does not parse|never closed|not match"),
        ("items: [1], step_template: {prompt: '{{ steps.zz.text }}'}", "`zz` does not exist"),
        ("tasks: [{prompt: '{{ steps.zz.text }}'}]", "`zz` does not exist"),
        ("tasks: [{prompt: x, condition: 'zz.a >'}]", "does not parse"),
    ],
)
def test_a_wrong_batch_is_refused_at_its_line(line: str, message: str) -> None:
    with pytest.raises(PipelineInvalid, match=message) as caught:
        loaded(steps("name: first, type: test_echo", f"name: a, type: claude_batch, {line}"))
    assert {error.line for error in caught.value.errors} == {5}


def test_item_and_loop_are_known_in_templates_of_items_and_nowhere_else() -> None:
    text = steps(
        "name: a, type: claude_batch, items: '{{ item }}', step_template: {prompt: '{{ item }}{{ loop.index }}'}"
    )
    assert [one.name for one in loaded(text).needed_inputs] == ["item"]


def test_costly_templates_are_evaluated_elsewhere_those_of_the_batch_once_and_those_of_items_each_time() -> None:
    costly, each = "{% for f in files %}x{% endfor %}", "{% for f in item %}x{% endfor %}"
    line = f"items: '{costly}', step_template: {{prompt: '{each}', claude_options: {{system_prompt: '{each}'}}}}"
    found, step = _batch(line)
    assert isolated_in_step(found, step) == (Isolated("template", costly),)
    assert isolated_in_step(found, step.item_step(0)) == (Isolated("template", each),)
