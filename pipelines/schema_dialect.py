"""Gemini's own dialect of schemas as JSON Schema: types in capitals (`OBJECT`) and `nullable`."""

from typing import Any

_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_LISTED = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "not"})


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its types in small letters; a schema that is JSON Schema already stays as it is."""
    plain = {key: _plain(key, value) for key, value in schema.items()}
    kind = schema.get("type")
    if not isinstance(kind, str) or not kind.isupper():
        return plain
    nullable = plain.pop("nullable", False) is True
    return plain | {"type": [kind.lower(), "null"] if nullable else kind.lower()}


def _plain(key: str, value: Any) -> Any:
    match value:
        case dict() if key in _NAMED:
            return {name: json_schema(one) if isinstance(one, dict) else one for name, one in value.items()}
        case list() if key in _LISTED:
            return [json_schema(one) if isinstance(one, dict) else one for one in value]
        case dict() if key in _SINGLE:
            return json_schema(value)
        case _:
            return value
