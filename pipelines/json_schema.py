"""JSON Schema (2020-12) of the language, from the same models that read the files: for editors and other tools.

It knows the form alone: references, templates and conditions are for `elexirion validate`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from elexirion.pipelines.accepted_keys import WITHOUT_EFFECT
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.registry import STEP_TYPES
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

SCHEMA_ID = "urn:elexirion:pipeline"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PIPELINE = {"$ref": "#/$defs/Pipeline"}
_STEP = {"$ref": "#/$defs/Step"}


def language_schema(*, strict: bool = False) -> dict[str, Any]:
    """The schema of a pipeline file; with `strict`, keys that `validate` warns of do not fit."""
    definitions = _definitions()
    types = _step_types(definitions)
    definitions = {name: _readable(definition, types) for name, definition in definitions.items()}
    for name in set(types.values()):
        _without_required(definitions[name.rpartition("/")[2]])
    if strict:
        _close(definitions)
    definitions["Step"] = {**_union("type", types), "required": ["name", "type"], "description": "A step."}
    definitions["StepTemplate"] = _step_template(types)
    definitions["PipelineFile"] = _file(strict)
    return {
        "$schema": DIALECT,
        "$id": SCHEMA_ID,
        "title": "Elexirion pipeline",
        "description": "A pipeline: `workflow` with `name` and `steps` below it, or both at the root.",
        "$ref": "#/$defs/PipelineFile",
        "$defs": dict(sorted(definitions.items())),
    }


def summary(model: type[Any]) -> str:
    """The first paragraph of a model's docstring, on one line."""
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())


class _Generator(GenerateJsonSchema):
    """Without the titles that repeat the names of keys, and without defaults that say nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        found = super().default_schema(schema)
        if found.get("default") is None or isinstance(found["default"], dict):
            found.pop("default", None)
        return found


def _definitions() -> dict[str, Any]:
    found = TypeAdapter(Pipeline).json_schema(schema_generator=_Generator)
    definitions: dict[str, Any] = found.pop("$defs")
    definitions.setdefault("Pipeline", found)
    return definitions


def _step_types(definitions: Mapping[str, Any]) -> dict[str, str]:
    """Each step type with the reference to its definition."""
    mapping: dict[str, str] = definitions["Pipeline"]["properties"]["steps"]["items"]["discriminator"]["mapping"]
    return mapping


def _readable(value: Any, types: Mapping[str, str]) -> Any:
    """Unions by a key as conditions on that key: an editor then names the mistake in the one branch that is meant."""
    match value:
        case {"discriminator": {"mapping": mapping, "propertyName": key}, **rest} if "oneOf" in rest:
            about = {name: inner for name, inner in rest.items() if name != "oneOf"}
            return {**about, **(_STEP if mapping == types else {**_union(key, mapping), "required": [key]})}
        case dict():
            return {key: _of_key(key, inner, types) for key, inner in value.items()}
        case list():
            return [_readable(inner, types) for inner in value]
        case _:
            return value


def _of_key(key: str, value: Any, types: Mapping[str, str]) -> Any:
    """The places where a file may say less, or more, than the models: validators complete it before they read it."""
    readable = _readable(value, types)
    match key, readable:
        case "step_template", {"anyOf": branches}:
            return {**readable, "anyOf": [_replaced(branch, _STEP, "StepTemplate") for branch in branches]}
        case "pipeline", {"anyOf": branches}:
            return {**readable, "anyOf": [_replaced(branch, _PIPELINE, "PipelineFile") for branch in branches]}
        case "then", {"items": items}:
            return {**readable, "items": _replaced(items, _PIPELINE, "PipelineFile")}
        case _:
            return readable


def _replaced(branch: Any, reference: Mapping[str, str], name: str) -> Any:
    return {"$ref": f"#/$defs/{name}"} if branch == reference else branch


def _union(key: str, mapping: Mapping[str, str]) -> dict[str, Any]:
    """A mapping whose `key` says which definition holds for it."""
    return {
        "type": "object",
        "properties": {key: {"anyOf": [*_named(mapping)]}},
        "allOf": [
            {"if": {"required": [key], "properties": {key: {"const": name}}}, "then": {"$ref": reference}}
            for name, reference in mapping.items()
        ],
    }


def _named(mapping: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name in mapping:
        model = STEP_TYPES.get(name)
        yield {"const": name, "description": summary(model)} if model else {"const": name}


def _step_template(types: Mapping[str, str]) -> dict[str, Any]:
    found = _union("type", types)
    found["allOf"].append({"if": {"not": {"required": ["type"]}}, "then": {"$ref": types["claude"]}})
    return {**found, "description": "The step of an item; without a `type` it is `claude`."}


def _without_required(step: dict[str, Any]) -> None:
    step["required"] = [key for key in step["required"] if key not in ("name", "type")]


def _close(definitions: Mapping[str, Any]) -> None:
    for definition in definitions.values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    for key in WITHOUT_EFFECT:
        definitions["Pipeline"]["properties"].pop(key, None)


def _file(strict: bool) -> dict[str, Any]:
    """A pipeline with or without `workflow` around it; a key beside `workflow` has no effect."""
    return {
        "type": "object",
        "description": "A pipeline, with or without `workflow` around it.",
        "properties": {"workflow": _PIPELINE},
        "if": {"required": ["workflow"]},
        "then": {"propertyNames": {"const": "workflow"}} if strict else {},
        "else": _PIPELINE,
    }
