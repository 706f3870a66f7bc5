"""Rows and the values in them: columns, equality, and an order of everything."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from elexirion.pipelines.json_text import parsed
from elexirion.pipelines.names import child

MAX_ROWS = 100_000
_MAX_NUMBER = 64


class DataRefused(ValueError):  # noqa: N818 - what happened, like every event
    """Data that an operation cannot work on; says what it needs."""


def rows_of(value: Any) -> list[Any]:
    """The rows of a value: a list as it is, a mapping as a single row, text when it is JSON of these."""
    match value:
        case list():
            return bounded(value)
        case Mapping():
            return [value]
        case str():
            found = parsed(value)
            if isinstance(found, list | dict):
                return rows_of(found)
            raise DataRefused("rows are a list, not a text that is no JSON")
        case None:
            raise DataRefused("rows are a list, and there is nothing")
        case _:
            raise DataRefused(f"rows are a list, not a {_kind(value)}")


def bounded(rows: list[Any]) -> list[Any]:
    """The rows; raises DataRefused for too many."""
    if len(rows) > MAX_ROWS:
        raise DataRefused(f"more than {MAX_ROWS} rows: filter them first")
    return rows


def value_in(row: Any, column: str | None) -> Any:
    """The value of a column, with dots for what lies deeper; the row itself without a column, None where missing."""
    if column is None:
        return row
    if isinstance(row, Mapping) and column in row:
        return row[column]
    value = row
    for part in column.split("."):
        try:
            value = child(value, part)
        except (KeyError, TypeError):
            return None
    return value


def with_value(row: Any, column: str | None, value: Any) -> Any:
    """A copy of the row with another value in the column, which is made where it is missing."""
    if column is None:
        return value
    if not isinstance(row, Mapping):
        raise DataRefused(f"a row is a mapping where the column `{column}` is set, not a {_kind(row)}")
    if column in row or "." not in column:
        return {**row, column: value}
    first, rest = column.split(".", 1)
    return {**row, first: with_value(row.get(first) or {}, rest, value)}


def key_text(value: Any) -> str | None:
    """How a value reads as a key: 7, 7.0 and "7" are the same; None for null."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return json_text(value)


def identity(value: Any) -> Any:
    """Something hashable that is equal for equal values only; true is not 1, and "1" neither."""
    match value:
        case bool():
            return ("truth", value)
        case Mapping():
            return ("mapping", frozenset((key, identity(item)) for key, item in value.items()))
        case list():
            return ("list", tuple(identity(item) for item in value))
        case _:
            return value


def order_keys(values: Iterable[Any]) -> list[tuple[int, Any] | None]:
    """A key of each value by which any two can be compared; None for null.

    Numbers come first, then texts, truths, lists and mappings. Texts that all read as numbers count as such.
    """
    listed = list(values)
    numbers = [number_of(value) for value in listed if value is not None]
    if all(number is not None for number in numbers):
        return [None if value is None else (0, number_of(value)) for value in listed]
    return [_order_key(value) for value in listed]


def number_of(value: Any) -> int | float | None:
    """The number, also when it stands in a text; None for everything else."""
    match value:
        case bool():
            return None
        case int() | float():
            return None if math.isnan(value) else value
        case str() if len(value) <= _MAX_NUMBER:
            return _read_number(value)
        case _:
            return None


def json_text(value: Any) -> str:
    """The value as JSON with sorted keys; raises DataRefused for what is no JSON, such as a number of 30 digits."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise DataRefused(f"a value is no JSON: {error}") from None


def _read_number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


def _order_key(value: Any) -> tuple[int, Any] | None:
    match value:
        case None:
            return None
        case bool():
            return (2, value)
        case int() | float():
            return None if math.isnan(value) else (0, value)
        case str():
            return (1, value)
        case list():
            return (3, json_text(value))
        case _:
            return (4, json_text(value))


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "truth value"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case None:
            return "null"
        case _:
            return "mapping"
