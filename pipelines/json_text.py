"""Between values and text: what a model wrote as JSON, and how a value reads within a text."""

import json
import re
from typing import Any, NoReturn

# A fence of Markdown around the whole answer or within it.
_FENCE = re.compile(r"```(?:json|JSON)[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)
NOT_JSON = object()


def text_of(value: Any) -> str:
    """Text as it is; every other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parsed(text: str) -> Any:
    """The value of a text that is JSON, also inside a ```json fence; None for any other text."""
    for candidate in (text, *_FENCE.findall(text)[:1]):
        value = _value(candidate)
        if value is not NOT_JSON:
            return value
    return None


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return NOT_JSON


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
