"""What a pipeline would call, counted before it runs."""

from typing import Any

from elexirion.pipelines.estimate import ASSUMED_OUTPUT_TOKENS, PlannedStep, planned_steps

from tests.pipelines.files import pipeline, steps


def plans(*lines: str, more: str = "", **inputs: Any) -> dict[str, PlannedStep]:
    return {one.path: one for one in planned_steps(pipeline(steps(*lines) + more), inputs, {"f.txt": 80}.get)}


def test_defaults_presets_and_own_keys_are_those_that_hold() -> None:
    found = plans(
        "name: a, type: claude, prompt: hi, preset: analysis, retry: {max_attempts: 5}, cache: true",
        "name: b, type: claude, prompt: hi, timeout: 5s, claude_options: {model: opus, allowed_tools: [Read, Bash], "
        "disallowed_tools: [Bash]}",
        "name: c, type: set_variable, variables: {x: 1}",
        more="  defaults: {claude_model: haiku, continue_on_error: true}\n",
    )
    a, b, c = found.values()
    assert (a.model, a.tools, a.timeout_s) == ("haiku", ("Read", "Glob", "Grep"), 180.0)
    assert (a.retry.max_attempts, a.cache_ttl_s, a.continue_on_error) == (5, 3600, True)
    assert (b.model, b.tools, b.timeout_s, b.needs) == ("opus", ("Read",), 5.0, ("a",))
    assert (c.lane, c.calls, c.timeout_s) == (None, 0, None)


def test_tokens_come_from_texts_inputs_files_and_earlier_answers() -> None:
    found = plans(
        "name: a, type: claude, prompt: '{{ topic }}', claude_options: {max_tokens: 50, system_prompt: '12345678'}",
        "name: b, type: gemini, prompt: [{type: file, path: f.txt}, {type: previous_response, step: a}]",
        "name: c, type: gemini, prompt: '{{ steps.a.text }}{{ b.text }}', token_budget: {max_output_tokens: 7}",
        "name: d, type: gemini, prompt: [{type: previous_response, step: b, max_length: 40}]",
        topic="x" * 100,
    )
    assert (found["a"].input_tokens, found["a"].output_tokens) == ((11 + 100 + 8 + 3) // 4, 50)
    assert (found["b"].input_tokens, found["b"].output_tokens) == (20 + 50, ASSUMED_OUTPUT_TOKENS)
    assert (found["c"].input_tokens, found["c"].output_tokens) == (8 + 50 + ASSUMED_OUTPUT_TOKENS, 7)
    assert found["d"].input_tokens == 10


def test_steps_inside_of_steps_are_counted_as_often_as_is_known() -> None:
    inner = "steps: [{name: %s, type: claude, prompt: hi}]"
    found = plans(
        "name: l, type: for_loop, over: [1, 2, 3], max_iterations: 2, "
        "steps: [{name: m, type: for_loop, over: [1, 2, 3], " + inner % "n" + "}]",
        "name: u, type: for_loop, over: '{{ things }}', " + inner % "v",
        "name: w, type: while_loop, condition: x, max_iterations: 7, " + inner % "y",
        "name: s, type: switch, expression: x, cases: {a: [{name: t, type: claude, prompt: hi}]}",
        "name: b, type: claude_batch, items: [1, 2], step_template: {prompt: hi}",
        "name: p, type: parallel_claude, parallel_tasks: [{id: one, prompt: hi}]",
        "name: c, type: pipeline, pipeline: {name: q, steps: [{name: z, type: claude, prompt: '{{ i }}'}]}, "
        "inputs: {i: 12345678901234567}",
        things=[], x=1,
    )  # fmt: skip
    assert {path: one.times for path, one in found.items() if one.calls} == {
        "l/m/n": 6, "u/v": None, "w/y": None, "s/t": 1, "b/item": 2, "p/one": 1, "c/z": 1,
    }  # fmt: skip
    assert found["w"].note == "at most 7 times"
    assert found["c/z"].input_tokens == 6


def test_a_conversation_is_a_call_for_each_turn_of_its_user() -> None:
    turns = "[hello, {role: assistant, content: hi}, bye]"
    (found,) = plans(f"name: a, type: claude_session, conversation: {turns}").values()
    assert (found.calls, found.output_tokens) == (2, 2 * ASSUMED_OUTPUT_TOKENS)
