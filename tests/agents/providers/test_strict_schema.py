"""JSON Schema in the subset of constrained decoding."""

from typing import Any

import pytest
from elexirion.agents.providers.strict_schema import strict_schema


def test_objects_are_closed_and_bounds_are_told_in_words() -> None:
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 1, "description": "In years."},
            "mail": {"type": "string", "format": "email"},
            "kind": {"enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        },
        "required": ["age"],
    }
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "description": "In years. (minimum: 1)"},
            "mail": {"type": "string", "format": "email"},
            "kind": {"enum": ["a", "b"]},
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": "(maxItems: 3)",
            },
        },
        "additionalProperties": False,
        "required": ["age"],
    }


def test_a_list_of_types_becomes_a_choice_and_capitals_become_small() -> None:
    assert strict_schema({"type": ["STRING", "null"]}) == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_references_and_choices_are_kept() -> None:
    schema = {
        "$defs": {"leaf": {"type": "object", "properties": {"n": {"type": "number"}}}},
        "oneOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}],
    }
    strict = strict_schema(schema)
    assert strict is not None
    assert strict["anyOf"] == [{"$ref": "#/$defs/leaf"}, {"type": "null"}]
    assert strict["$defs"]["leaf"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        {"type": "array"},
        {"type": "unheard-of"},
    ],
)
def test_a_schema_that_leaves_things_open_has_no_strict_form(schema: dict[str, Any]) -> None:
    assert strict_schema(schema) is None
