"""The JSON Schema of a key in the words of a reference page."""

import json
from collections.abc import Callable, Iterator
from typing import Any

_WORDS = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null",
    "array": "list", "object": "mapping",
}  # fmt: skip
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
Link = Callable[[str], str]


def type_text(schema: Any, link: Link) -> str:
    """What a key may hold, in Markdown; `link` names a part of the language and leads to it."""
    match schema:
        case {"$ref": str(reference)}:
            return link(reference.rpartition("/")[2])
        case {"anyOf": branches} | {"oneOf": branches}:
            return _joined(branches, link)
        case {"const": value}:
            return f"`{_plain(value)}`"
        case {"enum": values}:
            return ", ".join(f"`{_plain(value)}`" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {type_text(items, link)}"
        case {"type": "object", "additionalProperties": dict(values)} if values:
            return f"mapping of {type_text(values, link)}"
        case {"type": "object", "allOf": list(branches)}:
            names = sorted(referred([branch["then"] for branch in branches]))
            return link("Segment") if "StaticSegment" in names else " or ".join(map(link, names))
        case {"type": list(types)}:
            return ", ".join(_WORDS[one] for one in types if one != "null")
        case {"type": str(name)}:
            return _WORDS[name] + _bounds(schema)
        case _:
            return "anything"


def default_text(schema: Any) -> str:
    """The default of a key as a file would write it; a dash where there is none."""
    default = schema.get("default")
    return "-" if default in (None, []) else f"`{_plain(default)}`"


def referred(value: Any) -> Iterator[str]:
    """The names of all parts that a schema refers to, in its order."""
    match value:
        case dict():
            for key, inner in value.items():
                if key == "$ref":
                    yield inner.rpartition("/")[2]
                else:
                    yield from referred(inner)
        case list():
            for inner in value:
                yield from referred(inner)
        case _:
            pass


def _joined(branches: list[Any], link: Link) -> str:
    # Every key may be null, which means the same as leaving it out.
    texts = [type_text(branch, link) for branch in branches if branch != {"type": "null"}]
    return " or ".join(dict.fromkeys(texts))


def _bounds(schema: Any) -> str:
    found = [f"{sign} {_plain(schema[key])}" for key, sign in _BOUNDS.items() if key in schema]
    return f" {', '.join(found)}" if found else ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
