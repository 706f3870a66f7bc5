"""Which rows and columns stay: filter, unique, limit, select."""

from collections.abc import Callable
from typing import Any

from elexirion.agents.data.values import identity, value_in
from elexirion.pipelines.steps.data_operations import Limit, Select


def filtered(rows: list[Any], holds: Callable[[Any, int], bool]) -> list[Any]:
    """The rows for which `holds(row, index)`, in their order."""
    return [row for index, row in enumerate(rows) if holds(row, index)]


def unique(rows: list[Any], column: str | None) -> list[Any]:
    """The first row of each value of the column."""
    first: dict[Any, Any] = {}
    for row in rows:
        first.setdefault(identity(value_in(row, column)), row)
    return list(first.values())


def limited(rows: list[Any], limit: Limit) -> list[Any]:
    """The first rows after the offset."""
    start = int(limit.offset)
    return rows[start : start + int(limit.count)]


def selected(rows: list[Any], select: Select) -> list[Any]:
    """Rows with the named columns only."""
    columns = select.fields if isinstance(select.fields, dict) else {name: name for name in select.fields}
    return [{name: value_in(row, column) for name, column in columns.items()} for row in rows]
