"""The operations of `data_transform`, in the form that files give them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from elexirion.pipelines import row_expressions
from elexirion.pipelines.model import Model, NotNegative, Text
from elexirion.pipelines.steps.step import ConditionForm
from elexirion.pipelines.template_errors import TemplateInvalid
from elexirion.pipelines.templates import Template
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

AggregateFunction = Literal[
    "count", "count_distinct", "sum", "average", "avg", "mean", "median", "min", "max", "first", "last"
]
JoinType = Literal["inner", "left", "right", "outer"]
Order = Literal["asc", "desc"]


def _whole_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _row_condition(value: Any) -> Any:
    try:
        row_expressions.parse_condition(value)
    except TemplateInvalid as error:
        raise _said(error) from None
    return value


def _row_value(value: str) -> str:
    try:
        row_expressions.parse_value(value)
    except TemplateInvalid as error:
        raise _said(error) from None
    return value


def _said(error: TemplateInvalid) -> ValueError:
    return ValueError(f"{error.message}: {error.hint}" if error.hint else error.message)


RowCondition = Annotated[ConditionForm, AfterValidator(_row_condition)]
RowValue = Annotated[Text, AfterValidator(_row_value)]
TemplateText = Annotated[str, Field(pattern=r"\{\{")]
Count = Annotated[NotNegative | TemplateText, BeforeValidator(_whole_number)]


class DataOperation(Model, frozen=True):
    """What every operation has.

    Rows are a list. Where a mapping comes in and `field` names a list in it, the operation works on that list
    and the result takes its place; where all values of the mapping are lists, as after `group_by`, it works on
    each of them; any other mapping is a single row.
    """

    field: Text | None = None
    """The column, with dots for what lies deeper; in a mapping, the list to work on."""
    result_name: Text | None = Field(default=None, alias="as")
    """Key that receives the result, in a mapping beside the others."""

    def column(self, *, of_list: bool) -> str | None:
        """The column that is worked on; `of_list` when `field` has named the list already."""
        return None if of_list else self.field

    def list_name(self) -> str | None:
        """Where the list is looked for in a mapping."""
        return self.field

    def row_templates(self) -> tuple[Template, ...]:
        """The expressions that are evaluated for each row."""
        return ()


class Filter(DataOperation, frozen=True):
    """Keeps the rows for which `condition` holds, in their order."""

    operation: Literal["filter"]
    """Which operation this is."""
    condition: RowCondition
    """A condition with the fields of the row as names; a field that is missing or null is false."""

    def row_templates(self) -> tuple[Template, ...]:
        return tuple(row_expressions.templates_of(row_expressions.parse_condition(self.condition)))


class Map(DataOperation, frozen=True):
    """Replaces a column's values by `mapping`, or by the value of `expression`; without a column the whole row."""

    operation: Literal["map"]
    """Which operation this is."""
    mapping: dict[str, Any] | None = None
    """New value of each old one; values that are not listed stay."""
    expression: RowValue | None = None
    """An expression with the fields of the row as names."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.mapping is None) == (self.expression is None):
            raise ValueError("`map` needs either `mapping` or `expression`")
        return self

    def row_templates(self) -> tuple[Template, ...]:
        return () if self.expression is None else (row_expressions.parse_value(self.expression),)


class Aggregate(DataOperation, frozen=True):
    """One value from the values of a column; null and missing ones do not count."""

    operation: Literal["aggregate"]
    """Which operation this is."""
    function: AggregateFunction
    """`count` without a column counts rows. The average of nothing is null, the sum 0."""
    value_field: Text | None = None
    """The column, where `field` names a list."""
    group_by: Text | None = None
    """A column; the result is then a mapping from its values to one result each."""

    def column(self, *, of_list: bool) -> str | None:
        return self.value_field or super().column(of_list=of_list)


class Join(DataOperation, frozen=True):
    """Adds the fields of the rows of `right_source` whose `join_key` equals `left_field`.

    Keys are compared as text, so that 7 and "7" are equal; null equals nothing. Where both rows have a field,
    the left one keeps its name and the right one becomes `right_<field>`.
    """

    operation: Literal["join"]
    """Which operation this is."""
    left_field: Text
    """The column of the rows so far; in a mapping, the list to work on."""
    right_source: Any
    """Where the other rows come from: an expression, a template, or a list."""
    join_key: Text
    """The column of the other rows."""
    join_type: JoinType = "inner"
    """`left` keeps rows without a partner, `right` the other ones, `outer` both."""

    def list_name(self) -> str | None:
        return self.field or self.left_field

    def column(self, *, of_list: bool) -> str | None:
        return self.join_key if of_list and self.field is None else self.left_field


class GroupBy(DataOperation, frozen=True):
    """A mapping from each value of a column, as text, to its rows; null and missing are `null`."""

    operation: Literal["group_by"]
    """Which operation this is."""
    key: Text | None = None
    """The column, where `field` names a list."""

    def column(self, *, of_list: bool) -> str | None:
        return self.key or super().column(of_list=of_list)


class Sort(DataOperation, frozen=True):
    """Sorts rows; equal ones keep their order, null and missing come last in both orders.

    Numbers come before texts, texts before true and false; texts that are all numbers are sorted as such.
    """

    operation: Literal["sort"]
    """Which operation this is."""
    by: Text | tuple[Text, ...] | None = None
    """The column or columns, also with commas between them."""
    order: Order = "asc"
    """Ascending or descending."""

    def columns(self, *, of_list: bool) -> tuple[str | None, ...]:
        """The columns from the most to the least important."""
        if isinstance(self.by, tuple):
            return self.by
        if self.by is not None:
            return tuple(name.strip() for name in self.by.split(","))
        return (self.column(of_list=of_list),)


class Select(DataOperation, frozen=True):
    """Keeps the named columns in the given order; one that a row does not have is null."""

    operation: Literal["select"]
    """Which operation this is."""
    fields: tuple[Text, ...] | dict[str, Text]
    """Columns, or new names and the columns they come from."""


class Unique(DataOperation, frozen=True):
    """Keeps the first row of each value of a column, or of each whole row."""

    operation: Literal["unique"]
    """Which operation this is."""
    by: Text | None = None
    """The column, where `field` names a list."""

    def column(self, *, of_list: bool) -> str | None:
        return self.by or super().column(of_list=of_list)


class Limit(DataOperation, frozen=True):
    """Keeps the first rows."""

    operation: Literal["limit"]
    """Which operation this is."""
    count: Count
    """How many rows are kept."""
    offset: Count = 0
    """How many rows are left out before them."""


OPERATIONS = ("filter", "map", "aggregate", "join", "group_by", "sort", "select", "unique", "limit")


def _name_of(value: Any) -> str | None:
    name = value.get("operation") if isinstance(value, Mapping) else getattr(value, "operation", None)
    return name if name in OPERATIONS else None


AnyOperation = Annotated[
    Annotated[Filter, Tag("filter")]
    | Annotated[Map, Tag("map")]
    | Annotated[Aggregate, Tag("aggregate")]
    | Annotated[Join, Tag("join")]
    | Annotated[GroupBy, Tag("group_by")]
    | Annotated[Sort, Tag("sort")]
    | Annotated[Select, Tag("select")]
    | Annotated[Unique, Tag("unique")]
    | Annotated[Limit, Tag("limit")],
    Discriminator(
        _name_of,
        custom_error_type="unknown_operation",
        custom_error_message=f"`operation` is one of {', '.join(OPERATIONS)}",
    ),
]


def row_templates(operations: Iterable[DataOperation]) -> Iterator[Template]:
    """All expressions that are evaluated for each row."""
    for operation in operations:
        yield from operation.row_templates()
