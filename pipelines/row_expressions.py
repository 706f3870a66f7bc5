"""Conditions and expressions over the rows of data: the language's own, with a row's fields as names.

A field that is missing or null is false, matches nothing, and gives null. The fields come first, so that a
column may be called `state` or `timestamp`; `row` and `item` are the whole row and `index` its place, from 0.
A path below a name of the run (`inputs.x`, `steps.a.score`, `previous_response:a.x`) is that of the run.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, assert_never

from elexirion.pipelines import conditions
from elexirion.pipelines.conditions import Condition, Constant, Every, Expression, MissingField, Negated, Some
from elexirion.pipelines.functions import FUNCTIONS
from elexirion.pipelines.names import FIELDS, OUTPUTS, ROOTS
from elexirion.pipelines.references import Reference
from elexirion.pipelines.sandbox import Sandbox, StrictName, plain
from elexirion.pipelines.scanning import spans
from elexirion.pipelines.template_errors import TemplateError, TemplateInvalid
from elexirion.pipelines.templates import FAILURES, Path, Template, is_template, parse_expression, run_expression

RUN_ROOTS = (ROOTS - {"timestamp"}) | {OUTPUTS, FIELDS, "loop"}
_CALLED = re.compile(r"\b([A-Za-z_]\w*)\s*\(")


@dataclass(frozen=True, slots=True)
class RunNames:
    """What row expressions take from the run: values by their paths, and the time for `now()`."""

    values: Mapping[str, Any] = field(default_factory=dict)
    now: str = ""


def parse_condition(source: Any) -> Condition:
    """A condition on a row, in any form that conditions have; raises TemplateInvalid."""
    return conditions.parse(source)


@lru_cache(maxsize=1024)
def parse_value(source: str) -> Template:
    """An expression for a value of a row; text with braces in it is joined. Raises TemplateInvalid."""
    if not is_template(source):
        return parse_expression(source)
    pieces = [piece for piece in (_piece(span.kind, span.inner) for span in spans(source.strip())) if piece]
    if len(pieces) == 1:
        return parse_expression(pieces[0])
    return parse_expression(" ~ ".join(pieces))


def _piece(kind: str, inner: str) -> str | None:
    match kind:
        case "literal":
            return json.dumps(inner, ensure_ascii=False)
        case "expression":
            # A sign that touches the braces is white space control.
            return f"({inner.removeprefix('-').removesuffix('-')})"
        case "comment":
            return None
        case _:
            raise TemplateInvalid("an expression on rows has no statements", hint="write one expression")


def holds(condition: Condition, row: Any, index: int, run: RunNames) -> bool:
    """Whether the condition holds for the row; raises TemplateError."""
    match condition:
        case Constant(value):
            return value
        case Expression():
            return bool(_raw(condition.template, row, index, run))
        case Every(parts):
            return all(holds(part, row, index, run) for part in parts)
        case Some(parts):
            return any(holds(part, row, index, run) for part in parts)
        case Negated(part):
            return not holds(part, row, index, run)
        case _:
            assert_never(condition)


def value_of(template: Template, row: Any, index: int, run: RunNames) -> Any:
    """The value of an expression for the row, as JSON types; raises TemplateError."""
    return plain(_without_missing(_raw(template, row, index, run)))


def is_costly(templates: Iterable[Template]) -> bool:
    """Whether one of the expressions may take long even for a single row."""
    return any(template.isolated for template in templates)


def templates_of(condition: Condition) -> Iterator[Template]:
    """The expressions of a condition."""
    return (part.template for part in conditions.expressions(condition))


def names_of_run(templates: Iterable[Template]) -> tuple[Reference, ...]:
    """What the expressions take from the run, shorter paths first, each once."""
    found = dict.fromkeys(used for template in templates for used in template.references() if _is_of_run(used.path))
    return tuple(sorted(found, key=lambda reference: len(reference.path)))


def asks_for_now(templates: Iterable[Template]) -> bool:
    """Whether one of the expressions calls `now()`."""
    return any("now" in _called(template.text) for template in templates)


def written(path: Path) -> str:
    """The path as an expression."""
    return str(path[0]) + "".join(f"[{json.dumps(part, ensure_ascii=False)}]" for part in path[1:])


def put(values: dict[str, Any], path: Path, value: Any) -> None:
    """Enters the value of a path of the run, unless a value above it is there already."""
    for part in path[:-1]:
        inner = values.setdefault(str(part), _Entered())
        if not isinstance(inner, _Entered):
            return
        values = inner
    values[str(path[-1])] = value


class _Entered(dict[str, Any]):
    """A mapping that only leads to entered values."""


def _is_of_run(path: Path) -> bool:
    root, *below = map(str, path)
    return root in RUN_ROOTS and (bool(below) or root == "previous_response")


class _RowSandbox(Sandbox):
    """What is missing or null in a row is false; what is not accepted stays an error."""

    def __init__(self) -> None:
        super().__init__(undefined=MissingField)
        self.tests["none"] = lambda value: value is None or isinstance(value, MissingField)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return _present(super().getattr(obj, attribute), obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _present(super().getitem(obj, argument), obj, argument)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        raise TemplateError(f"the attribute `{attribute}` is not accepted")


def _present(value: Any, obj: Any, name: Any) -> Any:
    return MissingField(None, obj, name) if value is None or type(value) is StrictName else value


_SANDBOX = _RowSandbox()


def _raw(template: Template, row: Any, index: int, run: RunNames) -> Any:
    try:
        return run_expression(template.text, _SANDBOX, _names(template.text, row, index, run))
    except TemplateError:
        raise
    except FAILURES as error:
        raise TemplateError(str(error) or type(error).__name__) from None


def _names(text: str, row: Any, index: int, run: RunNames) -> dict[str, Any]:
    names: dict[str, Any] = {**run.values, "row": row, "item": row, "index": index}
    if isinstance(row, Mapping):
        names.update((str(key), _present(value, row, key)) for key, value in row.items())
    for name in _called(text):
        names[name] = (lambda: run.now) if name == "now" else _tolerant(FUNCTIONS[name])
    return names


@lru_cache(maxsize=1024)
def _called(text: str) -> tuple[str, ...]:
    """The functions that a text calls; others stay out of the way of fields with such names."""
    return tuple(name for name in dict.fromkeys(_CALLED.findall(text)) if name in FUNCTIONS or name == "now")


def _tolerant(function: Any) -> Any:
    def call(*values: Any) -> Any:
        return function(*(_without_missing(value) for value in values))

    return call


def _without_missing(value: Any) -> Any:
    match value:
        case MissingField():
            return None
        case Mapping():
            return {key: _without_missing(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_missing(item) for item in value]
        case _:
            return value
