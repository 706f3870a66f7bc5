"""A value that fits a JSON Schema, the same one for the same random source.

Knows type, enum, const, properties, required, items, the bounds of numbers, strings, arrays and objects, common
formats, anyOf, oneOf, allOf and local `$ref`; types may be spelled in capitals (`OBJECT`), as in Gemini's dialect.
Does not know `pattern`, `not` and conditions.
"""

import math
from random import Random
from typing import Any

_MAX_DEPTH = 12
_EXTRA_ITEMS = 2
_FORMATS = {
    "date": "2026-03-{day:02d}",
    "date-time": "2026-03-{day:02d}T08:30:00Z",
    "time": "08:30:{day:02d}Z",
    "duration": "PT{day}M",
    "email": "name{day}@example.com",
    "hostname": "host{day}.example.com",
    "uri": "https://example.com/{day}",
    "uuid": "00000000-0000-4000-8000-0000000000{day:02d}",
    "ipv4": "192.0.2.{day}",
    "ipv6": "2001:db8::{day}",
}


class SchemaSampler:
    """Makes values of one schema; texts are made of `words`."""

    def __init__(self, schema: dict[str, Any], random: Random, words: list[str]) -> None:
        self._root = schema
        self._random = random
        self._words = words

    def value(self) -> Any:
        """A value that fits the schema. Raises ValueError if its bounds contradict each other."""
        return self._value(self._root, 0)

    def _value(self, schema: Any, depth: int) -> Any:
        schema = self._flat(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._random.choice(schema["enum"])
        for name in ("anyOf", "oneOf"):
            if schema.get(name):
                rest = {key: one for key, one in schema.items() if key != name}
                return self._value(_merged(rest, self._branch(schema[name], depth)), depth + 1)
        match self._type(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer":
                return self._integer(schema)
            case "number":
                return self._number(schema)
            case "boolean":
                return self._random.random() < 0.5
            case "null":
                return None
            case _:
                return self._string(schema)

    def _flat(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema without `$ref` and `allOf`."""
        flat: dict[str, Any] = schema if isinstance(schema, dict) else {}
        for _ in range(_MAX_DEPTH):
            if "$ref" not in flat:
                break
            rest = {key: one for key, one in flat.items() if key != "$ref"}
            flat = _merged(self._referenced(flat["$ref"]), rest)
        for part in flat.get("allOf") or ():
            rest = {key: one for key, one in flat.items() if key != "allOf"}
            flat = _merged(rest, self._flat(part, depth + 1))
        return flat

    def _referenced(self, reference: str) -> dict[str, Any]:
        found: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step, {}) if step and isinstance(found, dict) else found
        return found if isinstance(found, dict) else {}

    def _branch(self, branches: list[Any], depth: int) -> dict[str, Any]:
        # Deep down the last branch is taken: in a recursive schema that is usually the leaf (`null`).
        chosen = branches[-1] if depth > _MAX_DEPTH // 2 else branches[0]
        return self._flat(chosen, depth)

    def _type(self, schema: dict[str, Any]) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        if isinstance(kind, str):
            return kind.lower()
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema else "string"

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties: dict[str, Any] = schema.get("properties") or {}
        required: list[str] = schema.get("required") or []
        names = [name for name in properties if depth < _MAX_DEPTH // 2 or name in required]
        names = names[: max(schema.get("maxProperties", len(names)), len(required))]
        names += [name for name in required if name not in names]
        extra = schema.get("additionalProperties")
        value = {name: self._value(properties.get(name, extra), depth + 1) for name in names}
        while len(value) < schema.get("minProperties", 0):
            value[f"field_{len(value)}"] = self._value(extra, depth + 1)
        return value

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        least = schema.get("minItems", 0)
        wanted = max(least, 0 if depth >= _MAX_DEPTH // 2 else 1 + self._random.randrange(_EXTRA_ITEMS))
        wanted = min(wanted, schema.get("maxItems", wanted))
        prefix: list[Any] = schema.get("prefixItems") or []
        items: list[Any] = []
        for tried in range(wanted * 20):
            if len(items) == wanted:
                break
            inner = prefix[len(items)] if len(items) < len(prefix) else schema.get("items")
            one = self._value(inner, depth + 1)
            if not schema.get("uniqueItems") or one not in items or tried >= wanted * 19:
                items.append(one)
        return items

    def _integer(self, schema: dict[str, Any]) -> int:
        step = schema.get("multipleOf", 1)
        low, high = self._bounds(schema, step)
        least, most = math.ceil(low / step), math.floor(high / step)
        if least > most:
            raise ValueError(f"no integer fits between {low} and {high}")
        return int(self._random.randint(least, most) * step)

    def _number(self, schema: dict[str, Any]) -> float | int:
        if "multipleOf" in schema:
            return self._integer(schema)
        low, high = self._bounds(schema, 0)
        if low > high:
            raise ValueError(f"no number fits between {low} and {high}")
        middle = low + (high - low) * self._random.uniform(0.25, 0.75)
        rounded = round(middle, 2)
        return rounded if low < rounded < high else middle

    def _bounds(self, schema: dict[str, Any], step: float) -> tuple[float, float]:
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        if isinstance(above, int | float) and not isinstance(above, bool):
            low = max(low, _next_above(above, step))
        if isinstance(below, int | float) and not isinstance(below, bool):
            high = min(high, -_next_above(-below, step))
        if low == -math.inf:
            low = min(0, high - 100) if high != math.inf else 0
        return low, high if high != math.inf else low + 100 + abs(step)

    def _string(self, schema: dict[str, Any]) -> str:
        form = schema.get("format")
        if form in _FORMATS:
            return _FORMATS[form].format(day=self._random.randint(1, 28))
        least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        text = " ".join(self._random.choice(self._words) for _ in range(self._random.randint(1, 4)))
        while len(text) < least:
            text += " " + self._random.choice(self._words)
        return text if len(text) <= most else text[: int(most)]


def _next_above(bound: float, step: float) -> float:
    """The least multiple of `step` above `bound`; without a step the next float."""
    if not step:
        return math.nextafter(bound, math.inf)
    return (math.floor(bound / step) + 1) * step


def _merged(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Both schemas at once: properties and required add up, other keywords of `right` win."""
    both = {**left, **right}
    if "properties" in left and "properties" in right:
        both["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        both["required"] = [
            *left["required"],
            *(name for name in right["required"] if name not in left["required"]),
        ]
    return both
