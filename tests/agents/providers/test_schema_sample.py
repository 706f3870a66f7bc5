"""Values that fit a schema."""

from random import Random
from typing import Any

import jsonschema
import pytest
from elexirion.agents.providers.schema_sample import SchemaSampler
from hypothesis import given
from hypothesis import strategies as st

WORDS = ["river", "valley", "ice"]
_FORMATS = ["date", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "time", "duration"]


@st.composite
def _bounded(draw: st.DrawFn, kind: str, low: str, high: str, least: int, most: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": kind}
    bounds = sorted((draw(st.integers(least, most)), draw(st.integers(least, most))))
    if draw(st.booleans()):
        schema[low] = bounds[0]
    if draw(st.booleans()):
        schema[high] = bounds[1]
    return schema


@st.composite
def _exclusive(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(-1000, 1000))
    return {
        "type": draw(st.sampled_from(["integer", "number"])),
        "exclusiveMinimum": low,
        "exclusiveMaximum": low + draw(st.integers(2, 50)),
    }


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if draw(st.booleans()):
        schema["additionalProperties"] = False
    return schema


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    return {**draw(_bounded("array", "minItems", "maxItems", 0, 4)), "items": draw(inner)}


_LEAVES = st.one_of(
    _bounded("integer", "minimum", "maximum", -(10**6), 10**6),
    _bounded("number", "minimum", "maximum", -100, 100),
    _bounded("string", "minLength", "maxLength", 0, 40),
    _exclusive(),
    st.builds(lambda step: {"type": "integer", "multipleOf": step}, st.integers(1, 50)),
    st.builds(lambda form: {"type": "string", "format": form}, st.sampled_from(_FORMATS)),
    st.builds(lambda values: {"enum": values}, st.lists(st.text() | st.integers() | st.none(), min_size=1)),
    st.builds(lambda value: {"const": value}, st.text() | st.booleans()),
    st.builds(lambda kind: {"type": kind}, st.sampled_from(["boolean", "null", ["null", "string"], ["null"]])),
)
SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: (
        _objects(inner)
        | _arrays(inner)
        | st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=12,
)


@given(SCHEMAS, st.integers())
def test_a_value_fits_its_schema(schema: dict[str, Any], seed: int) -> None:
    value = SchemaSampler(schema, Random(seed), WORDS).value()
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(value)
    assert value == SchemaSampler(schema, Random(seed), WORDS).value()


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"n": {"type": "integer"}}}}},
        {
            "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}],
            "type": "object",
        },
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
        {"type": "object", "required": ["unlisted"]},
        {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "integer"}},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2},
        {"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2},
        {"properties": {"a": {"const": None}}, "required": ["a"]},
    ],
)
def test_rarer_keywords_are_known(schema: dict[str, Any]) -> None:
    for seed in range(50):
        jsonschema.Draft202012Validator(schema).validate(SchemaSampler(schema, Random(seed), WORDS).value())


def test_a_recursive_schema_has_an_end() -> None:
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name", "children"],
    }
    jsonschema.Draft202012Validator(node).validate(SchemaSampler(node, Random(1), WORDS).value())


def test_types_in_capitals_are_geminis_dialect() -> None:
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "minimum": 3, "maximum": 3}}}
    assert SchemaSampler(schema, Random(1), WORDS).value() == {"n": 3}


def test_texts_are_made_of_the_given_words() -> None:
    text = SchemaSampler({"type": "string"}, Random(1), WORDS).value()
    assert set(text.split()) <= set(WORDS)
