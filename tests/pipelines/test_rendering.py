"""Steps, conditions and outputs at the moment in which they are ready."""

import json
from hashlib import sha256

import pytest
from elexirion.pipelines.isolated import Isolated, answer
from elexirion.pipelines.names import Scope, StepView, scope_as_json
from elexirion.pipelines.rendering import (
    condition_holds,
    isolated_in_condition,
    isolated_in_output,
    isolated_in_step,
    render_output,
    render_step,
)
from elexirion.pipelines.template_errors import TemplateError

from tests.pipelines.files import pipeline, steps

SCOPE = Scope(
    inputs={"topic": "Kafka", "path": "a.py", "xs": [3, 1, 2]},
    steps={"first": StepView.of('{"summary": "Short. Longer sentence here. More", "n": {"k": [1, 2]}}')},
    timestamp="T1",
)
FIRST = "name: first, type: test_echo"


def _no_file(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)


def _rendered(line: str, *, scope: Scope = SCOPE, rest: str = "") -> dict[str, object]:
    return render_step(pipeline(steps(FIRST, f"name: a, {line}") + rest), "a", scope, _no_file).config


def _prompt(segment: str, *, scope: Scope = SCOPE) -> str:
    text = _rendered("type: claude, prompt: [" + segment + "]", scope=scope)["prompt"]
    assert isinstance(text, str)
    return text


def test_a_claude_step_carries_prompt_system_model_and_options() -> None:
    line = (
        "type: claude, prompt: 'On {{ topic }}', claude_options: {model: haiku, max_turns: 1, "
        "system_prompt: 'You know {{ topic }}.', append_system_prompt: Be brief., allowed_tools: []}"
    )
    assert _rendered(line) == {
        "prompt": "On Kafka",
        "system": "You know Kafka.\n\nBe brief.",
        "model": "haiku",
        "options": {"max_turns": 1, "allowed_tools": []},
        "output_schema": None,
        "streaming": True,
    }


def test_a_gemini_step_carries_the_functions_it_names() -> None:
    functions = "  gemini_functions: {f: {description: d, parameters: {type: object}}}\n"
    config = _rendered(
        "type: gemini, prompt: x, model: flash, functions: [f], token_budget: {top_k: 3}", rest=functions
    )
    assert config["functions"] == [{"name": "f", "description": "d", "parameters": {"type": "object"}}]
    assert (config["model"], config["options"]) == ("flash", {"top_k": 3, "function_use": "expected"})


def test_a_test_echo_renders_every_field() -> None:
    config = _rendered(
        "type: test_echo, value: {t: '{{ xs }}'}, fail: '{{ topic == \"x\" }}', "
        "delay_ms: '{{ xs[0] }}', chunks: ['{{ topic }}', b]"
    )
    assert config == {
        "value": {"t": [3, 1, 2]},
        "fail": False,
        "error_message": None,
        "delay_ms": 3,
        "chunks": ["Kafka", "b"],
        "streaming": True,
    }


def test_set_variable_gives_native_values_in_both_forms() -> None:
    found = pipeline(
        steps(
            "name: a, type: set_variable, variables: {n: '{{ xs }}', t: '{{ topic }}!'}",
            "name: b, type: set_variable, variable: v, value: '{{ length(xs) }}'",
        )
    )
    assert render_step(found, "a", SCOPE, _no_file).variables == {"n": [3, 1, 2], "t": "Kafka!"}
    assert render_step(found, "b", SCOPE, _no_file).variables == {"v": 3}


def test_segments_are_joined_by_newlines_and_templates_can_be_switched_off() -> None:
    segments = "{type: static, content: 'On {{ topic }}'}, {type: static, content: '{{ jsx }}', template: false}"
    assert _prompt(segments) == "On Kafka\n{{ jsx }}"


def test_a_file_segment_is_read_by_its_rendered_path_and_its_hash_is_kept() -> None:
    found = pipeline(steps("name: a, type: claude, prompt: [{type: file, path: '{{ path }}'}]"))
    rendered = render_step(found, "a", SCOPE, {"a.py": b"{{ not a template }}"}.__getitem__)
    assert rendered.config["prompt"] == "{{ not a template }}"
    assert rendered.prompt_files == (("a.py", sha256(b"{{ not a template }}").hexdigest()),)


def test_a_file_that_cannot_be_read_fails_the_step() -> None:
    with pytest.raises(TemplateError, match=r"b\.py"):
        _prompt("{type: file, path: b.py}")
    found = pipeline(steps("name: a, type: claude, prompt: [{type: file, path: x}]"))
    with pytest.raises(TemplateError, match="UTF-8"):
        render_step(found, "a", SCOPE, lambda _path: b"\xff")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("", SCOPE.steps["first"].text),
        (", extract: summary", "Short. Longer sentence here. More"),
        (", extract: n.k.1", "2"),
        (", extract: n", '{"k": [1, 2]}'),
        (", extract: content, max_length: 10", '{"summary…'),
        (", extract: nothing.there", SCOPE.steps["first"].text),
        (", extract: summary, summary: true, max_length: 30", "Short. Longer sentence here.…"),
        (", extract: summary, summary: true", "Short. Longer sentence here. More"),
    ],
)
def test_a_previous_response_is_the_text_or_the_extracted_part(options: str, text: str) -> None:
    assert _prompt("{type: previous_response, step: first" + options + "}") == text


def test_a_strict_extract_that_is_missing_fails_the_step() -> None:
    with pytest.raises(TemplateError, match=r"`sumary` is unknown.*did you mean `summary`"):
        _prompt("{type: previous_response, step: first, extract: sumary, strict: true}")


def test_an_object_as_previous_response_reads_as_json() -> None:
    scope = Scope(steps={"first": StepView.of({"ä": 1})})
    assert json.loads(_prompt("{type: previous_response, step: first}", scope=scope)) == {"ä": 1}


def test_a_previous_response_is_data_and_no_template() -> None:
    scope = Scope(steps={"first": StepView.of("{{ topic }}")})
    assert _prompt("{type: previous_response, step: first}", scope=scope) == "{{ topic }}"


def test_an_output_file_is_rendered_and_stands_below_the_output_folder() -> None:
    found = pipeline(steps("name: a, type: test_echo, output_to_file: './outputs/x_{{ timestamp }}.md'"))
    assert render_step(found, "a", SCOPE, _no_file).output_to_file == "outputs/x_T1.md"
    escaping = pipeline(steps("name: a, type: test_echo, output_to_file: '{{ path }}'"))
    with pytest.raises(TemplateError, match="leaves the output folder"):
        render_step(escaping, "a", Scope(inputs={"path": "../x"}), _no_file)


def test_a_condition_is_asked_by_the_name_of_the_step() -> None:
    found = pipeline(steps(FIRST, "name: a, type: test_echo, condition: first.n.k", "name: b, type: test_echo"))
    assert condition_holds(found, "a", SCOPE).value
    assert condition_holds(found, "b", SCOPE).value


OUTPUTS = [
    ("", SCOPE.steps["first"].result),
    ("  output: first\n", SCOPE.steps["first"].result),
    ("  output: first.n.k\n", [1, 2]),
    ("  output: '{{ topic }}!'\n", "Kafka!"),
    ("  output: {a: first.n, b: {c: 'length(xs)'}}\n", {"a": {"k": [1, 2]}, "b": {"c": 3}}),
]


@pytest.mark.parametrize(("output", "value"), OUTPUTS)
def test_the_output_is_an_expression_a_step_or_names_of_them(output: str, value: object) -> None:
    assert render_output(pipeline(steps(FIRST, "name: later, type: test_echo") + output), SCOPE) == value


def test_what_may_take_long_is_named_and_its_value_taken_from_elsewhere() -> None:
    found = pipeline(
        steps(
            FIRST,
            "name: a, type: test_echo, condition: 'xs | sort', value: '{{ xs | sort }}'",
            "name: b, type: test_echo, value: '{{ topic }}', condition: 'topic'",
        )
        + "  output: xs | sort | join\n"
    )
    (template,), (condition,), (output,) = (
        isolated_in_step(found, "a"),
        isolated_in_condition(found, "a"),
        isolated_in_output(found),
    )
    assert isolated_in_step(found, "b") == isolated_in_condition(found, "b") == ()
    scope = json.loads(json.dumps(scope_as_json(SCOPE)))
    evaluated = {one: answer(one, scope) for one in (template, condition, output)}
    assert evaluated == {template: [1, 2, 3], condition: {"value": True, "warnings": []}, output: "123"}
    assert condition == Isolated("condition", "xs | sort")
    elsewhere = {template: ["other"], condition: {"value": False, "warnings": ["w"]}, output: "o"}
    assert render_step(found, "a", SCOPE, _no_file, elsewhere).config["value"] == ["other"]
    assert not condition_holds(found, "a", SCOPE, elsewhere).value
    assert render_output(found, SCOPE, elsewhere) == "o"
