"""Between values and text: what a model wrote as JSON, and how a value reads within a text."""

import json
import re
from typing import Any, NoReturn

# A fence of Markdown around the whole answer or within it.
_FENCE = re.compile(r"```(?:json|JSON)[ \t]*\r?\n(.*?)```", re.DOTALL)
NOT_JSON = object()


def text_of(value: Any) -> str:
    """Text as it is; every other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parsed(text: str) -> Any:
    """The value of a text that is JSON, also inside a ```json fence; None for any other text."""
    value = _value(text)
    if value is NOT_JSON:
        fenced = _FENCE.search(text)
        value = _value(fenced[1]) if fenced else NOT_JSON
    return None if value is NOT_JSON else value


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return NOT_JSON


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
