"""`data_transform`: rows filtered, joined, grouped, sorted and summed up."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from elexirion.pipelines import row_expressions
from elexirion.pipelines.model import Text
from elexirion.pipelines.steps.data_operations import AnyOperation, row_templates
from elexirion.pipelines.steps.step import PROVIDER_TIMEOUT_S, Lane, Rendering, Step
from elexirion.pipelines.template_errors import TemplateNameError
from elexirion.pipelines.uses import Use, expressions_in, templates_in

# Evaluated for each row, and so not when the step is rendered.
_OF_ROWS = ("condition", "expression")
_EXPRESSIONS = ("right_source",)

OutputFormat = Literal["json", "list", "csv", "jsonl", "yaml", "xml"]


class DataTransformStep(Step, frozen=True):
    """Takes rows through `operations`, one after another; the result is what the last one leaves."""

    lane: ClassVar[Lane | None] = "local"
    default_timeout_s: ClassVar[float | None] = PROVIDER_TIMEOUT_S
    expression_keys: ClassVar[tuple[str, ...]] = ("input_source",)
    result_doc: ClassVar[str] = "What the last operation leaves, as a value, or as text where `output_format` says so."

    type: Literal["data_transform"]
    input_source: Any
    """Where the rows come from: an expression such as `previous_response:a.rows`, a template, or a list."""
    operations: tuple[AnyOperation, ...] = ()
    """What is done with the rows, in this order."""
    output_field: Text | None = None
    """A further name of the result for later steps."""
    output_format: OutputFormat = "json"
    """`json` leaves the value as it is, `list` makes it a list of rows; the others give text of that format."""

    def uses(self) -> Iterator[Use]:
        yield from super().uses()
        for index, operation in enumerate(self.operations):
            for key, value in _given(operation):
                here = ("operations", index, key)
                if key in _EXPRESSIONS:
                    yield from expressions_in(value, here)
                elif key not in _OF_ROWS:
                    yield from templates_in(value, here)
            for reference in row_expressions.names_of_run(operation.row_templates()):
                if not reference.optional:
                    key = "condition" if operation.operation == "filter" else "expression"
                    yield from expressions_in(row_expressions.written(reference.path), ("operations", index, key))

    def output_fields(self) -> tuple[str, ...]:
        return () if self.output_field is None else (self.output_field,)

    def config(self, options: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
        templates = tuple(row_templates(self.operations))
        return {
            "input": rendering.expression(self.input_source),
            "operations": [_rendered(operation, rendering) for operation in self.operations],
            "output_format": self.output_format,
            "names": self._names(rendering),
            "now": rendering.expression("now()") if row_expressions.asks_for_now(templates) else "",
        }

    def _names(self, rendering: Rendering) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for reference in row_expressions.names_of_run(row_templates(self.operations)):
            try:
                value = rendering.expression(row_expressions.written(reference.path))
            except TemplateNameError:
                if not reference.optional:
                    raise
                continue
            row_expressions.put(values, reference.path, value)
        return values


def _rendered(operation: AnyOperation, rendering: Rendering) -> dict[str, Any]:
    rendered: dict[str, Any] = {}
    for key, value in _given(operation):
        if key in _OF_ROWS:
            rendered[key] = value
        else:
            rendered[key] = rendering.expression(value) if key in _EXPRESSIONS else rendering.value(value)
    return rendered


def _given(operation: AnyOperation) -> Iterator[tuple[str, Any]]:
    """The keys of the operation as its file has them."""
    yield from operation.model_dump(mode="json", by_alias=True, exclude_unset=True).items()
