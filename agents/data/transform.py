"""Operations applied to a value, one after another; pure, so that it runs in any thread or process."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from elexirion.agents.data import combined, mapped, measured, ordered, selection
from elexirion.agents.data.values import DataRefused, bounded, rows_of, value_in, with_value
from elexirion.pipelines import row_expressions
from elexirion.pipelines.json_text import parsed
from elexirion.pipelines.row_expressions import RunNames
from elexirion.pipelines.steps.data_operations import (
    Aggregate,
    AnyOperation,
    DataOperation,
    Filter,
    GroupBy,
    Join,
    Limit,
    Map,
    Select,
    Sort,
    Unique,
)
from elexirion.pipelines.template_errors import TemplateError


def transformed(value: Any, operations: Sequence[AnyOperation], run: RunNames, check: Callable[[], None]) -> Any:
    """What the operations leave of the value; raises DataRefused. `check` is called often and may raise."""
    for number, operation in enumerate(operations, 1):
        check()
        try:
            value = _applied(value, operation, _Rows(run, check))
        except DataRefused as error:
            raise DataRefused(f"operation {number} ({operation.operation}): {error}") from None
    return value


def _applied(value: Any, operation: AnyOperation, rows: "_Rows") -> Any:
    if isinstance(value, str):
        value = parsed(value) if parsed(value) is not None else value
    if not isinstance(value, Mapping):
        result = rows.result(rows_of(value), operation, of_list=False)
        return result if operation.result_name is None else {operation.result_name: result}
    name = operation.list_name()
    within = None if name is None else value_in(value, name)
    if isinstance(within, list) or _is_groups(within):
        result = _each(within, operation, rows, of_list=True)
        return with_value(value, operation.result_name or name, result)
    return _each(value, operation, rows, of_list=False)


def _each(value: Any, operation: AnyOperation, rows: "_Rows", *, of_list: bool) -> Any:
    """The result for a list, for each list of a mapping of lists, or for a mapping as a single row."""
    if _is_groups(value):
        return {key: rows.result(group, operation, of_list=of_list) for key, group in value.items()}
    return rows.result(rows_of(value), operation, of_list=of_list)


def _is_groups(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(group, list) for group in value.values())


class _Rows:
    """One operation on lists of rows, with what its expressions know."""

    def __init__(self, run: RunNames, check: Callable[[], None]) -> None:
        self._run, self._check = run, check

    def result(self, rows: list[Any], operation: AnyOperation, *, of_list: bool) -> Any:
        bounded(rows)
        match operation:
            case Filter():
                return self._filtered(rows, operation)
            case Map():
                return self._mapped(rows, operation, operation.column(of_list=of_list))
            case Aggregate():
                return _aggregated(rows, operation, operation.column(of_list=of_list))
            case Join():
                column, right = operation.column(of_list=of_list), rows_of(operation.right_source)
                return combined.joined(rows, right, column, operation.join_key, operation.join_type)
            case GroupBy():
                return combined.grouped(rows, _needed(operation.column(of_list=of_list), operation))
            case Sort():
                return ordered.sorted_by(rows, operation.columns(of_list=of_list), operation.order)
            case Select():
                return selection.selected(rows, operation)
            case Unique():
                return selection.unique(rows, operation.column(of_list=of_list))
            case Limit():
                return selection.limited(rows, operation)
            case _:
                assert_never(operation)

    def _filtered(self, rows: list[Any], operation: Filter) -> list[Any]:
        condition = row_expressions.parse_condition(operation.condition)

        def holds(row: Any, index: int) -> bool:
            return bool(self._evaluated(index, lambda: row_expressions.holds(condition, row, index, self._run)))

        return selection.filtered(rows, holds)

    def _mapped(self, rows: list[Any], operation: Map, column: str | None) -> list[Any]:
        if operation.expression is None:
            return mapped.replaced(rows, column, operation.mapping or {})
        template = row_expressions.parse_value(operation.expression)

        def compute(row: Any, index: int) -> Any:
            return self._evaluated(index, lambda: row_expressions.value_of(template, row, index, self._run))

        return mapped.computed(rows, column, compute)

    def _evaluated(self, index: int, evaluate: Callable[[], Any]) -> Any:
        self._check()
        try:
            return evaluate()
        except TemplateError as error:
            raise DataRefused(f"row {index + 1}: {error}") from None


def _aggregated(rows: list[Any], operation: Aggregate, column: str | None) -> Any:
    if operation.group_by is None:
        return measured.aggregated(rows, column, operation.function)
    groups = combined.grouped(rows, operation.group_by)
    return {key: measured.aggregated(group, column, operation.function) for key, group in groups.items()}


def _needed(column: str | None, operation: DataOperation) -> str:
    if column is None:
        raise DataRefused("the column is missing: name it in `field`, or in `key` where `field` names a list")
    return column
