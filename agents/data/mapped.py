"""New values in rows: map."""

from collections.abc import Callable, Mapping
from typing import Any

from elexirion.agents.data.values import DataRefused, json_text, key_text, value_in, with_value

# All values of one operation together, in bytes of JSON.
MAX_BYTES = 64 * 1024 * 1024


def replaced(rows: list[Any], column: str | None, mapping: Mapping[str, Any]) -> list[Any]:
    """Each value of the column by its new one; values that the mapping does not list stay."""
    return [_replaced(row, column, mapping) for row in rows]


def computed(rows: list[Any], column: str | None, compute: Callable[[Any, int], Any]) -> list[Any]:
    """The value of `compute(row, index)` in the column, or in place of the row; raises DataRefused for too much."""
    found, size = [], 0
    for index, row in enumerate(rows):
        value = compute(row, index)
        size += len(json_text(value))
        if size > MAX_BYTES:
            raise DataRefused(f"the new values are larger than {MAX_BYTES} bytes")
        found.append(with_value(row, column, value))
    return found


def _replaced(row: Any, column: str | None, mapping: Mapping[str, Any]) -> Any:
    value = value_in(row, column)
    key = key_text(value) or ("null" if value is None else "")
    return with_value(row, column, mapping[key]) if key in mapping else row
