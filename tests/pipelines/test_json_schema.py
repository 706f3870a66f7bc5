"""The JSON Schema for editors says what the loader says, as far as form goes."""

from pathlib import Path
from typing import Any

import pytest
from elexirion.pipelines.json_schema import DIALECT, language_schema
from elexirion.pipelines.loader import load
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.steps.registry import STEP_TYPES
from elexirion.pipelines.yaml_reader import read
from jsonschema import Draft202012Validator

from tests.pipelines.files import SHARED, steps

ROOT = Path(__file__).parents[2]
OPEN, STRICT = (Draft202012Validator(language_schema(strict=strict)) for strict in (False, True))
EXAMPLES = sorted([*(ROOT / "examples").rglob("*.yaml"), *SHARED.glob("*.yaml")])
ECHO = "name: a, type: test_echo"

GOOD = [
    steps(ECHO),
    "name: p\nsteps: [{name: a, type: test_echo}]",
    steps("name: a, type: claude, prompt: hi, claude_options: {output_format: stream-json}, timeout: 30s"),
    steps("name: a, type: claude, prompt: [{type: static, content: x}, {type: previous_response, step: b}], needs: [b]",
          "name: b, type: test_echo, needs: [], condition: {and: [true, {not: false}]}"),
    steps("name: a, type: claude_batch, items: [1, 2], step_template: {prompt: '{{ item }}'}"),
    steps("name: a, type: claude_batch, items: [1], step_template: {type: test_echo, value: '{{ item }}'}"),
    steps("name: a, type: for_loop, over: [1], as: x, steps: [{name: b, type: test_echo}]"),
    steps("name: a, type: switch, expression: x, cases: {y: [{name: b, type: test_echo}]}") + "  inputs: {x: {}}\n",
    steps("name: a, type: pipeline, pipeline: {name: q, steps: [{name: b, type: test_echo}]}"),
    steps("name: a, type: pipeline, pipeline: {workflow: {name: q, steps: [{name: b, type: test_echo}]}}"),
    steps("name: a, type: http, url: 'http://h/', method: post, json: {a: 1}, expect_status: 200"),
    steps("name: a, type: http, url: 'http://h/', expect_status: [200, 404]"),
    steps(ECHO) + "  then: [{workflow: {name: q, steps: [{name: b, type: test_echo}]}}]\n",
    steps(ECHO) + "  then: [{name: q, steps: [{name: b, type: test_echo}]}]\n",
    steps("name: a, type: codebase_query, queries: {q: {find_files: {type: source}}}"),
    steps("name: a, type: codebase_query, queries: {q: {find_files: [{type: source}, {limit: 3}]}}"),
    steps("name: a, type: test_echo, retry: {max_attempts: 2, backoff: linear}, cache: {ttl_seconds: 5}"),
]  # fmt: skip
BAD = [
    "[]",
    "workflow: 3",
    "name: p",
    "name: p\nsteps: []",
    "name: p\nsteps: {}",
    "name: p\nsteps: [3]",
    "name: p\nsteps: [{name: a}]",
    "name: 3\nsteps: [{name: a, type: test_echo}]",
    "workflow: {steps: [{name: a, type: test_echo}]}",
    steps("type: test_echo"),
    steps("name: a, type: claud"),
    steps("name: a, type: 3"),
    steps("name: '', type: test_echo"),
    steps("name: a/b, type: test_echo"),
    steps("name: a, type: claude"),
    steps("name: a, type: claude, prompt: ''"),
    steps("name: a, type: claude, prompt: []"),
    steps("name: a, type: claude, prompt: 3"),
    steps("name: a, type: claude, prompt: [{type: statik, content: x}]"),
    steps("name: a, type: claude, prompt: [{type: static}]"),
    steps("name: a, type: claude, prompt: [{content: x}]"),
    steps("name: a, type: claude, prompt: x, claude_options: {max_turns: true}"),
    steps("name: a, type: claude, prompt: x, claude_options: {max_turns: 0}"),
    steps("name: a, type: claude, prompt: x, claude_options: {temperature: 2}"),
    steps("name: a, type: claude, prompt: x, claude_options: {output_format: html}"),
    steps("name: a, type: claude, prompt: x, claude_options: {allowed_tools: Read}"),
    steps("name: a, type: claude, prompt: x, preset: fast"),
    steps("name: a, type: test_echo, timeout: soon"),
    steps("name: a, type: test_echo, timeout: -1"),
    steps("name: a, type: test_echo, timeout_ms: 1.5"),
    steps("name: a, type: test_echo, retry: {max_attempts: 0}"),
    steps("name: a, type: test_echo, retry: {backoff: never}"),
    steps("name: a, type: test_echo, retry: 3"),
    steps("name: a, type: test_echo, needs: a"),
    steps("name: a, type: test_echo, condition: 3"),
    steps("name: a, type: test_echo, delay_ms: -1"),
    steps("name: a, type: test_echo, cache: {ttl_seconds: 0}"),
    steps("name: a, type: test_echo, output_schema: []"),
    steps("name: a, type: for_loop, over: [1]"),
    steps("name: a, type: for_loop, over: [1], steps: [{name: b, type: nope}]"),
    steps("name: a, type: for_loop, over: [1], steps: []"),
    steps("name: a, type: while_loop, condition: x, max_iterations: 1001, steps: [{name: b, type: test_echo}]"),
    steps("name: a, type: switch, expression: x, cases: {y: [{type: test_echo}]}"),
    steps("name: a, type: parallel_claude, parallel_tasks: [{id: x, prompt: 3}]"),
    steps("name: a, type: claude_batch, items: [1], step_template: {type: nope}"),
    steps("name: a, type: pipeline, pipeline: {steps: [{name: b, type: test_echo}]}"),
    steps("name: a, type: gemini, prompt: x, token_budget: {top_p: 3}"),
    steps("name: a, type: codebase_query, queries: {q: {find_files: 3}}"),
    steps("name: a, type: http"),
    steps("name: a, type: http, url: 'http://h/', method: FETCH"),
    steps("name: a, type: http, url: 'http://h/', expect_status: 99"),
    steps("name: a, type: http, url: 'http://h/', expect_status: []"),
    steps(ECHO) + "  inputs: {x: {type: colour}}\n",
    steps(ECHO) + "  defaults: {timeout_seconds: 0}\n",
    steps(ECHO) + "  defaults: []\n",
    steps(ECHO) + "  variables: 3\n",
    steps(ECHO) + "  resource_limits: {max_total_steps: 0}\n",
    steps(ECHO) + "  on_error: [{name: b}]\n",
    steps(ECHO) + "  then: [{name: q}]\n",
    steps(ECHO) + "  then: [{workflow: {name: q}}]\n",
]
WARNED = [
    steps("name: a, type: test_echo, colour: red"),
    steps("name: a, type: claude, prompt: x, role: brain"),
    steps("name: a, type: claude, prompt: x, claude_options: {max_turnz: 3}"),
    steps("name: a, type: for_loop, over: [1], steps: [{name: b, type: test_echo, colour: red}]"),
    steps("name: a, type: test_echo, retry: {attempts: 3}"),
    steps(ECHO) + "  hooks: {}\n",
    steps(ECHO) + "  colour: red\n",
    steps(ECHO) + "beside: 1\n",
]


def verdict(text: str, *, strict: bool = False) -> bool:
    """What the loader says."""
    try:
        return not load(text, "p.yaml").warnings or not strict
    except PipelineInvalid:
        return False


def fits(text: str, validator: Draft202012Validator) -> bool:
    return bool(validator.is_valid(read(text, "p.yaml").value))


@pytest.mark.parametrize("strict", [False, True])
def test_the_schema_is_a_schema_of_its_dialect(strict: bool) -> None:
    schema = language_schema(strict=strict)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert "//" not in schema["$id"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_fits(path: Path) -> None:
    text = path.read_text("utf-8")
    errors = [f"{error.json_path}: {error.message}" for error in OPEN.iter_errors(read(text, path.name).value)]
    assert not errors
    if path.is_relative_to(ROOT):
        assert fits(text, STRICT)


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_fits(text: str) -> None:
    assert verdict(text)
    assert fits(text, OPEN)
    assert fits(text, STRICT)


@pytest.mark.parametrize("text", BAD)
def test_a_mistake_of_form_neither_loads_nor_fits(text: str) -> None:
    assert not verdict(text)
    assert not fits(text, OPEN)


@pytest.mark.parametrize("text", WARNED)
def test_a_key_without_effect_is_refused_by_the_strict_schema_alone(text: str) -> None:
    assert verdict(text) and not verdict(text, strict=True)
    assert fits(text, OPEN) and not fits(text, STRICT)


@pytest.mark.parametrize("name", STEP_TYPES)
def test_an_editor_can_offer_every_step_type_and_say_what_it_is(name: str) -> None:
    offered = {one["const"]: one["description"] for one in OPEN.schema["$defs"]["Step"]["properties"]["type"]["anyOf"]}
    assert offered[name].endswith(".")
    assert set(offered) == set(STEP_TYPES)


def test_a_mistake_is_told_at_its_key_and_not_as_no_step_at_all() -> None:
    text = steps("name: a, type: claude, prompt: x, claude_options: 3", "name: b, type: test_echo, delay_ms: true")
    errors = list(OPEN.iter_errors(read(text, "p.yaml").value))
    assert {error.json_path for error in errors} == {
        "$.workflow.steps[0].claude_options", "$.workflow.steps[1].delay_ms",
    }  # fmt: skip


def test_defaults_and_descriptions_are_those_of_the_models() -> None:
    definitions: dict[str, Any] = OPEN.schema["$defs"]
    assert definitions["RetryPolicy"]["properties"]["max_attempts"]["default"] == 3
    assert "milliseconds" in definitions["ClaudeStep"]["properties"]["timeout"]["description"]


def test_every_reference_leads_somewhere() -> None:
    definitions = OPEN.schema["$defs"]
    found = list(_references(OPEN.schema))
    assert found
    assert [one for one in found if one.removeprefix("#/$defs/") not in definitions] == []


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
