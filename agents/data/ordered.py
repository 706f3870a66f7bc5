"""The order of rows: sort."""

from collections.abc import Sequence
from typing import Any

from elexirion.agents.data.values import order_keys, value_in
from elexirion.pipelines.steps.data_operations import Order


def sorted_by(rows: list[Any], columns: Sequence[str | None], order: Order) -> list[Any]:
    """The rows by their columns, the first the most important; equal rows keep their order, null comes last."""
    for column in reversed(columns):
        rows = _sorted(rows, column, order)
    return rows


def _sorted(rows: list[Any], column: str | None, order: Order) -> list[Any]:
    keyed = list(zip(order_keys(value_in(row, column) for row in rows), rows, strict=True))
    present = [(key, row) for key, row in keyed if key is not None]
    present.sort(key=lambda pair: pair[0], reverse=order == "desc")
    return [row for _, row in present] + [row for key, row in keyed if key is None]
