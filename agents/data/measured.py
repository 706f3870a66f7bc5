"""One value from many: aggregate."""

import statistics
from typing import Any, assert_never

from elexirion.agents.data.values import DataRefused, identity, number_of, order_keys, value_in
from elexirion.pipelines.steps.data_operations import AggregateFunction


def aggregated(rows: list[Any], column: str | None, function: AggregateFunction) -> Any:
    """The function of the column's values; null and missing ones do not count. Raises DataRefused."""
    values = [value for value in (value_in(row, column) for row in rows) if value is not None]
    match function:
        case "count":
            return len(values) if column is not None else len(rows)
        case "count_distinct":
            return len({identity(value) for value in values})
        case "sum":
            return sum(_numbers(values, column))
        case "average" | "avg" | "mean":
            return sum(numbers) / len(numbers) if (numbers := _numbers(values, column)) else None
        case "median":
            return statistics.median(numbers) if (numbers := _numbers(values, column)) else None
        case "min":
            return _extreme(values, largest=False)
        case "max":
            return _extreme(values, largest=True)
        case "first":
            return values[0] if values else None
        case "last":
            return values[-1] if values else None
        case _:
            assert_never(function)


def _numbers(values: list[Any], column: str | None) -> list[int | float]:
    """The values as numbers, also when they stand in texts."""
    numbers = [number_of(value) for value in values]
    wrong = sum(number is None for number in numbers)
    if wrong:
        where = f"of the column `{column}` " if column else ""
        raise DataRefused(f"{wrong} of {len(values)} values {where}are no numbers")
    return [number for number in numbers if number is not None]


def _extreme(values: list[Any], *, largest: bool) -> Any:
    """The value itself, first of equal ones: a number as a number, a date as its text."""
    keys = order_keys(values)
    places = [place for place, key in enumerate(keys) if key is not None]
    if not places:
        return None
    choose = max if largest else min
    value = values[choose(places, key=lambda place: keys[place])]  # type: ignore[arg-type, return-value]  # places have keys
    number = number_of(value)
    return value if number is None else number
