"""gemini_structured, gemini_instructor, gemini_function and openai steps in a file."""

from typing import Any

import pytest
from elexirion.pipelines.loader import from_definition
from elexirion.pipelines.names import Scope
from elexirion.pipelines.rendering import render_step
from elexirion.pipelines.schema_dialect import json_schema

from tests.pipelines.files import SHARED, errors_of, loaded, pipeline, steps

FUNCTIONS = """\
  gemini_functions:
    f: {description: d, parameters: {type: object}}
"""
SCHEMA = "{type: object, properties: {a: {type: integer}}}"


def config(line: str, before: str = "", **inputs: Any) -> dict[str, Any]:
    def no_file(path: str) -> bytes:
        raise OSError(path)

    text = steps(f"name: a, prompt: hi, {line}").replace("  steps:", f"{before}  steps:", 1)
    return render_step(pipeline(text), "a", Scope(inputs=inputs), no_file).config


@pytest.mark.parametrize("name", ["gemini_structured", "gemini_instructor"])
@pytest.mark.parametrize("key", ["schema", "output_schema", "extraction_config"])
def test_the_schema_may_stand_at_three_places(name: str, key: str) -> None:
    written = f"{{schema: {SCHEMA}}}" if key == "extraction_config" else SCHEMA
    found = config(f"type: {name}, {key}: {written}")
    assert found["output_schema"] == {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert found["repair"] is True


def test_two_schemas_are_one_too_many() -> None:
    (error,) = errors_of(
        steps(f"name: a, type: gemini_structured, prompt: hi, schema: {SCHEMA}, output_schema: {SCHEMA}")
    )
    assert "give one of" in error


def test_without_a_schema_none_is_asked_for() -> None:
    assert config("type: gemini_instructor, token_budget: {temperature: 0.1}")["output_schema"] is None


def test_geminis_own_dialect_becomes_json_schema() -> None:
    dialect = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "nullable": True, "enum": ["A"]},
            "list": {"type": "ARRAY", "items": {"type": "NUMBER"}},
            "any": {"anyOf": [{"type": "BOOLEAN"}]},
        },
    }
    assert json_schema(dialect) == {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["A"]},
            "list": {"type": "array", "items": {"type": "number"}},
            "any": {"anyOf": [{"type": "boolean"}]},
        },
    }
    plain = {"type": ["string", "null"], "nullable": True, "default": {"type": "OBJECT"}}
    assert json_schema(plain) == plain


@pytest.mark.parametrize("line", ["type: gemini_structured, schema: {a: b}", "type: openai, options: {seed: 1}"])
def test_the_definition_reads_as_the_file_did(line: str) -> None:
    found = loaded(steps(f"name: a, prompt: hi, {line}"))
    assert from_definition(found.definition) == found.pipeline
    assert found.warnings == ()


@pytest.mark.parametrize(("name", "use"), [("gemini", "expected"), ("gemini_function", "required")])
def test_functions_go_out_with_their_declarations(name: str, use: str) -> None:
    found = config(f"type: {name}, functions: [f]", FUNCTIONS)
    assert found["functions"] == [{"name": "f", "description": "d", "parameters": {"type": "object"}}]
    assert found["options"]["function_use"] == use
    assert "function_use" not in config("type: gemini")["options"]


def test_a_function_step_needs_functions_that_are_declared() -> None:
    (error,) = errors_of(steps("name: a, type: gemini_function, prompt: hi"))
    assert "functions" in error
    (error,) = errors_of(steps("name: a, type: gemini_function, prompt: hi, functions: [g]"))
    assert "not declared" in error


def test_an_openai_steps_options_may_stand_in_the_step_too() -> None:
    found = config(
        "type: openai, model: '{{ m }}', system_prompt: 'be {{ how }}', temperature: 0, "
        "options: {temperature: 1, max_tokens: 5, stop_sequences: [END]}",
        m="qwen", how="brief",
    )  # fmt: skip
    assert found == {
        "prompt": "hi",
        "system": "be brief",
        "model": "qwen",
        "options": {"temperature": 0.0, "max_tokens": 5, "stop_sequences": ["END"]},
        "output_schema": None,
        "streaming": True,
    }


def test_a_base_url_in_a_file_has_no_effect() -> None:
    (warning,) = loaded(steps("name: a, type: openai, prompt: hi, base_url: 'http://example.org'")).warnings
    assert "base_url" in warning.message


def test_real_files_with_these_steps_load() -> None:
    path = SHARED / "examples__comprehensive_config_example.yaml"
    if not path.exists():
        pytest.skip("the collection of real files is not here")
    assert any(step.type == "gemini_instructor" for step in pipeline(path.read_text()).steps)
