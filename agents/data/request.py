"""What a transformation needs, as plain JSON, and what comes of it."""

from collections.abc import Callable, Mapping
from typing import Any

from elexirion.agents.data.transform import transformed
from elexirion.agents.data.values import DataRefused, rows_of
from elexirion.agents.formats.registry import FormatRefused, encoded
from elexirion.pipelines.row_expressions import RunNames, is_costly
from elexirion.pipelines.steps.data_operations import AnyOperation, row_templates
from pydantic import TypeAdapter, ValidationError

_OPERATIONS: TypeAdapter[tuple[AnyOperation, ...]] = TypeAdapter(tuple[AnyOperation, ...])

_LINES = ("csv", "jsonl")


def operations_of(config: Mapping[str, Any]) -> tuple[AnyOperation, ...]:
    """The rendered operations; raises DataRefused for what a template made of them."""
    try:
        return _OPERATIONS.validate_python(config.get("operations") or ())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataRefused(f"operations.{place}: {first['msg']}") from None


def needs_limits(config: Mapping[str, Any]) -> bool:
    """Whether an expression may take long for a single row, so that a process with limits has to run it."""
    return is_costly(row_templates(operations_of(config)))


def answer(config: Mapping[str, Any], check: Callable[[], None]) -> Any:
    """The result of the rendered step; raises DataRefused. `check` is called often and may raise."""
    run = RunNames(config.get("names") or {}, config.get("now") or "")
    value = transformed(config["input"], operations_of(config), run, check)
    return _formed(value, config.get("output_format") or "json")


def _formed(value: Any, form: str) -> Any:
    match form:
        case "json":
            return value
        case "list":
            return _listed(value)
        case _:
            try:
                return encoded(_listed(value) if form in _LINES else value, form)
            except FormatRefused as error:
                raise DataRefused(str(error)) from None


def _listed(value: Any) -> list[Any]:
    """One list: the rows of all groups after one another, a single value alone."""
    if isinstance(value, dict) and value and all(isinstance(group, list) for group in value.values()):
        return [row for group in value.values() for row in group]
    return rows_of(value) if isinstance(value, list | dict) else [value]
