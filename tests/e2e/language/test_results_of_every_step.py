"""`output_to_file` and `output_schema` hold for a step of any type, also where no worker runs it."""

from typing import Any

import orjson
import pytest

from tests.e2e.language.runner import Runner

ECHO = {"name": "inner", "type": "test_echo", "value": "{{ 6 * 7 }}"}
STEPS: dict[str, tuple[dict[str, Any], Any]] = {
    "test_echo": ({"value": {"a": [1, "b"]}}, {"a": [1, "b"]}),
    "set_variable": ({"variables": {"a": 1}}, {"a": 1}),
    "data_transform": ({"input_source": [3, 1, 2], "operations": [{"operation": "sort"}]}, [1, 2, 3]),
    "pipeline": ({"pipeline": {"name": "child", "steps": [ECHO]}}, 42),
    "parallel_claude": ({"parallel_tasks": [{"id": "one", "prompt": "Hello"}]}, {"one": "You said: Hello "}),
    "switch": (
        {"expression": "1", "cases": {"1": [ECHO]}},
        {"branch": "1", "result": 42, "steps": {"inner": 42}},
    ),
    "for_loop": (
        {"over": ["x"], "steps": [ECHO]},
        {
            "iterations": 1, "ended_because": "completed", "completed": 1, "failed": 0, "skipped": 0,
            "results": [{"index": 0, "status": "completed", "result": 42, "error": None, "steps": {"inner": 42}}],
        },
    ),
    "claude_batch": (
        {"items": ["x"], "step_template": {"prompt": "{{ item }}"}},
        {
            "results": [{"index": 0, "id": "0", "status": "completed", "result": "You said: x ", "error": None}],
            "completed": 1, "failed": 0, "skipped": 0, "batches": [{"completed": 1, "failed": 0, "skipped": 0}],
        },
    ),
}  # fmt: skip


def _pipeline(kind: str, **keys: Any) -> str:
    step = {"name": "step", "type": kind, **STEPS[kind][0], **keys}
    return f"name: every\nvariables: {{where: told}}\nsteps: [{orjson.dumps(step).decode()}]\n"


@pytest.mark.parametrize("kind", STEPS)
async def test_a_result_is_written_to_its_file(kind: str, runs: Runner) -> None:
    ended = await runs.completed(_pipeline(kind, output_to_file="{{ where }}/result.json"))
    assert ended.value("step") == STEPS[kind][1]
    assert orjson.loads((runs.folder / "outputs/told/result.json").read_bytes()) == STEPS[kind][1]


@pytest.mark.parametrize("kind", STEPS)
async def test_a_result_that_does_not_fit_its_schema_fails_the_step_and_says_where(kind: str, runs: Runner) -> None:
    ended = await runs.failed(_pipeline(kind, output_schema={"type": "boolean"}, retry={"max_attempts": 1}))
    assert ended.run.failed_step == "step"
    assert ended.run.failure and ended.run.failure.kind == "schema_mismatch"
    assert "$" in ended.run.failure.message


@pytest.mark.parametrize("kind", STEPS)
async def test_a_result_that_fits_its_schema_is_the_result(kind: str, runs: Runner) -> None:
    schema = {"enum": [STEPS[kind][1]]}
    assert (await runs.completed(_pipeline(kind, output_schema=schema))).value("step") == STEPS[kind][1]


async def test_text_is_written_as_it_is(runs: Runner) -> None:
    await runs.completed("name: t\nsteps: [{name: a, type: test_echo, value: grüße, output_to_file: ./outputs/a.md}]")
    assert (runs.folder / "outputs/a.md").read_text("utf-8") == "grüße"
