"""Keys that the language gives every step have their effect on every step type."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from elexirion.agents.orchestrator.run_plan import TryLimits, plan_of
from elexirion.agents.plan import Loop, StepPlan
from elexirion.events.step import StepSkipped
from elexirion.pipelines.idle_keys import idle_keys
from elexirion.pipelines.loader import load
from elexirion.pipelines.steps.registry import STEP_TYPES

from tests.agents.memory_run import House, house_in

INNER = "steps: [{name: inner, type: test_echo, value: 1}]"
SCHEMA = "schema: {type: object, properties: {a: {type: integer}}}"
ASKING = {
    "claude": "prompt: Hello",
    "claude_extract": "prompt: Hello",
    "claude_robust": "prompt: Hello",
    "claude_session": "prompt: Hello, session_config: {session_name: talk}",
    "claude_smart": "prompt: Hello",
    "gemini": "prompt: Hello",
    "gemini_function": "prompt: Hello, functions: [rate]",
    "gemini_instructor": f"prompt: Hello, {SCHEMA}",
    "gemini_structured": f"prompt: Hello, {SCHEMA}",
    "openai": "prompt: Hello, model: any",
}
LOCAL = {
    "codebase_query": "queries: {all: {find_files: {pattern: '*.py'}}}",
    "data_transform": "input_source: [{a: 1}], operations: [{operation: limit, count: 1}]",
    "file_ops": "operation: list, path: .",
    "http": "url: 'http://example.test/'",
    "test_echo": "value: {a: 1}",
}
ELSEWHERE = {
    "approval": "message: Well?",
    "delay": "seconds: 1",
    "pipeline": "pipeline: {name: child, steps: [{name: inner, type: test_echo, value: {a: 1}}]}",
    "set_variable": "variables: {a: 1}",
}
COMPOSITE = {
    "claude_batch": "items: [a], step_template: {type: test_echo, value: '{{ item }}'}",
    "for_loop": f"over: [1], {INNER}",
    "parallel_claude": "parallel_tasks: [{id: a, prompt: Hello}]",
    "switch": "expression: 'true', cases: {'true': [{name: inner, type: test_echo, value: 1}]}",
    "while_loop": f"condition: 'loop.index < 1', {INNER}",
}
LEAVES = ASKING | LOCAL
ALL = LEAVES | ELSEWHERE | COMPOSITE


def each(types: dict[str, str], *but: str) -> Any:
    """A test for each step type, with the keys that it needs."""
    chosen = {kind: keys for kind, keys in types.items() if kind not in but}
    return pytest.mark.parametrize(("kind", "keys"), chosen.items(), ids=chosen.keys())


@pytest_asyncio.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    async with house_in(tmp_path) as open_house:
        yield open_house


def _text(kind: str, keys: str, more: str) -> str:
    functions = "gemini_functions: {rate: {parameters: {type: object, properties: {score: {type: integer}}}}}"
    before, after = "{name: first, type: test_echo, value: 1}", "{name: after, type: test_echo, value: 2}"
    tested = f"{{name: s, type: {kind}, {keys}, {more}}}"
    return f"name: p\n{functions}\nsteps:\n  - {before}\n  - {tested}\n  - {after}\n"


def _plan(kind: str, keys: str, more: str) -> StepPlan:
    return plan_of(load(_text(kind, keys, more), "p.yaml").pipeline, TryLimits()).steps[1]


def test_every_type_is_looked_at() -> None:
    assert set(ALL) == set(STEP_TYPES)
    assert {kind for kind, model in STEP_TYPES.items() if model.lane is not None} == set(LEAVES)


@each(ALL, "while_loop")
async def test_a_condition_that_does_not_hold_skips_the_step(kind: str, keys: str, house: House) -> None:
    ended = await house.run(_text(kind, keys, 'condition: "steps.first.result > 5"'))
    assert ended.state.steps["s"].status == "skipped"
    assert ended.value("after") == 2
    assert [record.data for record, _ in ended.records if isinstance(record.data, StepSkipped)]
    assert not ended.calls


@each(ALL)
def test_a_step_waits_for_the_one_above_or_for_those_it_needs(kind: str, keys: str) -> None:
    assert _plan(kind, keys, "description: x").needs == ("first",)
    assert _plan(kind, keys, "needs: []").needs == ()


@each(ALL)
def test_a_step_says_whether_the_run_goes_on_without_it(kind: str, keys: str) -> None:
    assert _plan(kind, keys, "continue_on_error: true").continue_on_error
    assert not _plan(kind, keys, "description: x").continue_on_error


@pytest.mark.parametrize("spelling", ["timeout: 1500", "timeout: 1.5s", "timeout_ms: 1500", "timeout_seconds: 1.5"])
@each(LEAVES)
def test_an_attempt_takes_no_longer_than_the_step_says(kind: str, keys: str, spelling: str) -> None:
    assert _plan(kind, keys, spelling).timeout_s == 1.5


@each(LEAVES)
def test_an_attempt_takes_300_seconds_at_most_where_nobody_says(kind: str, keys: str) -> None:
    usual = {"claude_smart": 300.0}  # its preset says the same
    assert _plan(kind, keys, "description: x").timeout_s == usual.get(kind, 300.0)


@each(LEAVES | {"pipeline": ELSEWHERE["pipeline"]})
def test_a_step_is_tried_as_often_as_it_says(kind: str, keys: str) -> None:
    rule = _plan(kind, keys, "retry: {max_attempts: 7, base_delay_ms: 5, backoff: fixed, retry_on: [timeout]}").retry
    assert (rule.max_attempts, rule.base_delay_ms, rule.backoff) == (7, 5, "fixed")
    assert rule.retry_on == ("timeout",)


@each(ASKING)
async def test_without_streaming_a_model_answers_in_one_piece(kind: str, keys: str, house: House) -> None:
    streamed = await house.run(_text(kind, keys, "description: x"))
    assert all(call.stream for call in streamed.calls)
    several = len(streamed.chunks())
    streamed.calls.clear()
    whole = await house.run(_text(kind, keys, "streaming: false"))
    assert whole.calls
    assert not any(call.stream for call in whole.calls)
    assert len(whole.chunks()) <= len(whole.calls) <= max(several, 1)


async def test_without_streaming_an_echo_comes_in_one_piece(house: House) -> None:
    text = "value: some words, chunks: 4"
    assert len((await house.run(_text("test_echo", text, "description: x"))).chunks()) == 4
    assert (await house.run(_text("test_echo", text, "streaming: false"))).chunks() == ["some words"]


IMPOSSIBLE = "output_schema: {type: object, properties: {never: {type: integer}}, required: [never], not: {}}"


@each(LEAVES, "http", "gemini_instructor", "gemini_structured")
async def test_a_result_that_does_not_fit_is_a_failure(kind: str, keys: str, house: House) -> None:
    ended = await house.run(_text(kind, keys, IMPOSSIBLE))
    found, message = ended.failure("s")
    assert found == "schema_mismatch", message
    assert "does not fit output_schema: at $" in message
    assert ended.state.usage == ended.state.steps["s"].usage
    assert bool(ended.calls) == bool(ended.state.usage.output_tokens)


@pytest.mark.parametrize(
    ("value", "schema", "result"),
    [
        ("'{\"a\": 1}'", "type: object", {"a": 1}),
        ("plain words", "type: string", "plain words"),
        ("'5'", "type: string", "5"),
        ("'5'", "type: integer", 5),
        ("{a: 1}", "required: [a]", {"a": 1}),
        ("null", "type: 'null'", None),
    ],
)
async def test_a_text_is_read_before_it_is_checked(value: str, schema: str, result: Any, house: House) -> None:
    ended = await house.run(_text("test_echo", f"value: {value}", f"output_schema: {{{schema}}}"))
    assert ended.value("s") == result


@pytest.mark.parametrize(("value", "place"), [("secret words", "$"), ("{a: {b: [secret]}}", "$.a.b[0]")])
async def test_a_mismatch_says_where_and_never_what(value: str, place: str, house: House) -> None:
    schema = "output_schema: {type: object, properties: {a: {properties: {b: {items: {type: integer}}}}}}"
    kind, message = (await house.run(_text("test_echo", f"value: {value}", schema))).failure("s")
    assert kind == "schema_mismatch"
    assert f"at {place}: type" in message
    assert "secret" not in message


@each(LEAVES)
async def test_a_result_stands_in_its_file(kind: str, keys: str, house: House) -> None:
    ended = await house.run(_text(kind, keys, "output_to_file: 'by/{{ run.id }}'"))
    assert (house.folder / "outputs/by" / ended.run_id).exists(), ended.state.steps["s"]


@each({**ALL, "gemini_instructor": "prompt: Hello", "gemini_structured": "prompt: Hello"})
def test_a_key_without_effect_warns(kind: str, keys: str) -> None:
    values = {
        "timeout": "1s", "timeout_ms": "1", "timeout_seconds": "1", "retry": "{max_attempts: 2}", "cache": "true",
        "fallback": "[gemini]", "streaming": "false", "output_to_file": "x", "output_schema": "{type: object}",
    }  # fmt: skip
    found = load(_text(kind, keys, "description: x"), "p.yaml")
    idle = idle_keys(found.pipeline.steps[1])
    assert not found.warnings
    for key, value in values.items():
        said = [problem.message for problem in load(_text(kind, keys, f"{key}: {value}"), "p.yaml").warnings]
        assert said == ([f"`{key}` has no effect on a step of the type `{kind}`"] if key in idle else [])


def test_a_key_with_its_usual_value_warns_of_nothing() -> None:
    assert not load(_text("set_variable", "variables: {a: 1}", "streaming: true"), "p.yaml").warnings


@pytest.mark.parametrize(("own", "attempts"), [("", 1), (", retry: {max_attempts: 2}", 2)])
def test_a_child_run_is_tried_once_unless_its_step_says_otherwise(own: str, attempts: int) -> None:
    child = "pipeline: {name: inner, steps: [{name: say, type: test_echo, value: 1}]}"
    text = f"name: p\ndefaults: {{retry: {{max_attempts: 5}}}}\nsteps:\n  - {{name: c, type: pipeline, {child}{own}}}\n"
    assert plan_of(load(text, "p.yaml").pipeline, TryLimits()).steps[0].retry.max_attempts == attempts


@pytest.mark.parametrize(("setting", "most"), [(3, 3), (1, 1), (0, None)])
def test_how_many_workers_a_step_may_take_along_is_a_setting_and_0_switches_the_rule_off(
    setting: int, most: int | None
) -> None:
    text = f"name: p\nsteps:\n  - {{name: loop, type: for_loop, over: [1], {INNER}}}\n"
    planned = plan_of(load(text, "p.yaml").pipeline, TryLimits(crashes=setting)).steps[0]
    assert isinstance(planned.within, Loop)
    assert [planned.most_crashes, planned.within.steps[0].most_crashes] == [most, most]
