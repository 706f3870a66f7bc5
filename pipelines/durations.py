"""Spans of time as pipeline files write them."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*")


def seconds_of(duration: int | float | str) -> float:
    """Seconds of a `timeout` value: a number counts milliseconds, text carries its unit ("30s").

    Raises ValueError for text of another form.
    """
    if not isinstance(duration, str):
        return duration / 1000
    match = _TEXT.fullmatch(duration)
    if match is None:
        raise ValueError('a duration is a number of milliseconds or text such as "30s", "500ms", "5m", "1h"')
    return float(match[1]) * _UNITS[match[2]]


def _positive(duration: int | float | str) -> int | float | str:
    if seconds_of(duration) <= 0:
        raise ValueError("a timeout must be longer than 0")
    return duration


Duration = Annotated[
    Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)] | str,
    Field(union_mode="left_to_right"),
    AfterValidator(_positive),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": f"^{_TEXT.pattern}$"}]}
    ),
]
