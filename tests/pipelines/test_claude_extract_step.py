"""claude_extract in a file: what the worker is told of it."""

from typing import Any

import pytest
from elexirion.pipelines.loader import from_definition
from elexirion.pipelines.names import Scope
from elexirion.pipelines.rendering import render_step

from tests.pipelines.files import errors_of, loaded, pipeline, steps, warnings_of

SCHEMA = {"type": "object", "required": ["n"]}


def _config(keys: str) -> dict[str, Any]:
    found = pipeline(steps(f"name: a, type: claude_extract, prompt: x, {keys}"))
    return render_step(found, "a", Scope(), lambda path: b"").config


def _extraction(keys: str) -> dict[str, Any]:
    extraction = _config(f"extraction_config: {{{keys}}}")["extraction"]
    assert isinstance(extraction, dict)
    return extraction


def test_without_a_word_the_answer_is_text() -> None:
    assert _config("description: x")["extraction"] == {
        "format": "text",
        "post_processing": [],
        "max_summary_length": 500,
        "include_metadata": False,
        "schema": None,
    }


def test_everything_is_told_to_the_worker() -> None:
    assert _extraction(
        "format: markdown, post_processing: [trim, validate], max_summary_length: 9, include_metadata: true"
    ) == {
        "format": "markdown",
        "post_processing": ["trim", "validate"],
        "max_summary_length": 9,
        "include_metadata": True,
        "schema": None,
    }


@pytest.mark.parametrize(
    ("keys", "form"),
    [
        ("format: summary", "summary"),
        ("output_format: summary", "summary"),
        ("schema: {type: object}", "json"),
        ("schema: {type: object}, format: structured", "structured"),
    ],
)
def test_the_format_has_two_names_and_a_schema_asks_for_json(keys: str, form: str) -> None:
    assert _extraction(keys)["format"] == form


@pytest.mark.parametrize("keys", ["extraction_config: {schema: SCHEMA}", "output_schema: SCHEMA"])
def test_a_schema_for_data_is_asked_of_the_model(keys: str) -> None:
    config = _config(keys.replace("SCHEMA", "{type: object, required: [n]}"))
    assert (config["output_schema"], config["extraction"]["schema"]) == (SCHEMA, SCHEMA)
    assert config["extraction"]["format"] == "json"


def test_a_schema_for_text_is_not_asked_of_the_model() -> None:
    config = _config("extraction_config: {format: summary, schema: {maxLength: 3}}")
    assert (config["output_schema"], config["extraction"]["schema"]) == (None, {"maxLength": 3})


def test_the_answer_is_read_as_the_model_wrote_it() -> None:
    assert _config("claude_options: {output_format: json, max_turns: 2}")["options"] == {"max_turns": 2}


def test_the_schema_keeps_its_name_in_the_definition() -> None:
    found = loaded(steps("name: a, type: claude_extract, prompt: x, extraction_config: {schema: {type: object}}"))
    assert found.definition["steps"][0]["extraction_config"] == {"schema": {"type": "object"}}
    assert from_definition(found.definition) == found.pipeline


def test_an_unknown_post_processing_is_refused_at_its_place() -> None:
    (error,) = errors_of(
        steps("name: a, type: claude_extract, prompt: x, extraction_config: {post_processing: [trim, polish]}")
    )
    assert "polish" in error and "'trim'" in error


def test_keys_of_older_extractions_warn() -> None:
    config = "{use_content_extractor: true, extract_with: x, schema_: {}}"
    found = warnings_of(steps(f"name: a, type: claude_extract, prompt: x, extraction_config: {config}"))
    assert [warning.split("`")[1] for warning in found] == ["use_content_extractor", "extract_with", "schema_"]
