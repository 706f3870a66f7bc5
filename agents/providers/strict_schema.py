"""JSON Schema in the subset that constrained decoding at Anthropic accepts.

The subset (structured outputs, `output_config.format`) knows closed objects, enums, anyOf and a few string
formats, but no bounds. What it does not know goes into the description, where the model still reads it; the step
that asked validates the answer against the whole schema.
"""

from typing import Any

_PRIMITIVES = frozenset({"string", "integer", "number", "boolean", "null"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # fmt: skip
_COMPOSITES = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_STRUCTURE = frozenset(
    {"$schema", "$id", "$defs", "$ref", "type", "enum", "const", "properties", "required", "items", "description"}
    | {"title", "additionalProperties", "default", "examples", *_COMPOSITES}
)


class _NotStrictError(Exception):
    """The schema says something that the subset cannot."""


def strict_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema in the strict subset; None if it has open objects or values of any type, which it cannot say."""
    try:
        return _strict(schema)
    except _NotStrictError:
        return None


def _strict(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise _NotStrictError
    strict: dict[str, Any] = {}
    if isinstance(schema.get("$defs"), dict):
        strict["$defs"] = {name: _strict(one) for name, one in schema["$defs"].items()}
    if "$ref" in schema:
        return strict | {"$ref": schema["$ref"]}
    kept: set[str] = set()
    strict |= _body(schema, kept)
    if text := _description(schema, kept):
        strict["description"] = text
    return strict


def _body(schema: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    for name in ("enum", "const"):
        if name in schema:
            return {name: schema[name]}
    for name, target in _COMPOSITES.items():
        if isinstance(schema.get(name), list):
            return {target: [_strict(one) for one in schema[name]]}
    kind = schema.get("type")
    if isinstance(kind, list):
        return {"anyOf": [_strict({**schema, "type": one, "description": None}) for one in kind]}
    return _typed(schema, kind.lower() if isinstance(kind, str) else "", kept)


def _typed(schema: dict[str, Any], kind: str, kept: set[str]) -> dict[str, Any]:
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return _array(schema, kept)
    if kind not in _PRIMITIVES:
        raise _NotStrictError
    if kind == "string" and schema.get("format") in _FORMATS:
        kept.add("format")
        return {"type": "string", "format": schema["format"]}
    return {"type": kind}


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties or isinstance(schema.get("additionalProperties"), dict):
        raise _NotStrictError
    closed: dict[str, Any] = {
        "type": "object",
        "properties": {name: _strict(one) for name, one in properties.items()},
        "additionalProperties": False,
    }
    return closed | ({"required": schema["required"]} if schema.get("required") else {})


def _array(schema: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    array: dict[str, Any] = {"type": "array", "items": _strict(schema.get("items"))}
    if schema.get("minItems") in (0, 1):
        kept.add("minItems")
        array["minItems"] = schema["minItems"]
    return array


def _description(schema: dict[str, Any], kept: set[str]) -> str:
    unsaid = {name: value for name, value in schema.items() if name not in _STRUCTURE and name not in kept}
    bounds = ", ".join(f"{name}: {value}" for name, value in unsaid.items())
    said = schema.get("description") or ""
    return f"{said} ({bounds})".strip() if bounds else said
