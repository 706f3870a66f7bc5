"""Conditions: an expression, or a tree of `and`, `or`, `not` and lists; parsed at load, evaluated once."""

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, assert_never

from elexirion.pipelines.functions import FUNCTIONS
from elexirion.pipelines.names import Scope, StepFields
from elexirion.pipelines.sandbox import Sandbox, StrictName, is_missing_item
from elexirion.pipelines.template_errors import TemplateError, TemplateInvalid, TemplateNameError
from elexirion.pipelines.templates import FAILURES, Template, context_of, parse_expression, run_expression
from jinja2.utils import missing

_BRACES = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\{\{|\}\}""", re.DOTALL)
_MAX_DEPTH = 50
_warnings: ContextVar[list[str] | None] = ContextVar("missing fields of the running evaluation", default=None)


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True)
class Expression:
    source: str
    template: Template


@dataclass(frozen=True, slots=True)
class Every:
    """`and`, or a list."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """`or`."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """`not`; of a list: not all of it."""

    part: "Condition"


Condition = Constant | Expression | Every | Some | Negated


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether the condition holds, and the missing fields that counted as false."""

    value: bool
    warnings: tuple[str, ...] = ()


def parse(condition: Any, depth: int = 0) -> Condition:
    """A condition as the file has it; raises TemplateInvalid."""
    if depth > _MAX_DEPTH:
        raise TemplateInvalid("the condition is nested too deeply")
    match condition:
        case bool():
            return Constant(condition)
        case str():
            return Expression(condition, parse_expression(_without_braces(condition)))
        case list() | tuple():
            return Every(tuple(parse(part, depth + 1) for part in condition))
        case dict() if len(condition) == 1:
            return _operator(*next(iter(condition.items())), depth=depth)
        case _:
            raise TemplateInvalid("a condition is an expression, a list, or one of `and`, `or`, `not`")


def _operator(name: str, operand: Any, *, depth: int) -> Condition:
    match name:
        case "and" | "or":
            if not isinstance(operand, list | tuple):
                raise TemplateInvalid(f"`{name}` needs a list of conditions")
            parts = tuple(parse(part, depth + 1) for part in operand)
            return Every(parts) if name == "and" else Some(parts)
        case "not":
            return Negated(parse(operand, depth + 1))
        case _:
            raise TemplateInvalid(f"`{name}` is no operator of conditions", hint="use `and`, `or` or `not`")


def _without_braces(source: str) -> str:
    """`{{ … }}` around a condition or a part of it means nothing more than brackets."""
    if "{%" in source:
        raise TemplateInvalid("a condition is an expression, not a template with statements")
    brackets = {"{{": "(", "}}": ")"}
    return _BRACES.sub(lambda match: brackets.get(match[0], match[0]), source) if "{{" in source else source


def expressions(condition: Condition) -> Iterator[Expression]:
    """The expressions of a condition, in order."""
    match condition:
        case Constant():
            return
        case Expression():
            yield condition
        case Every(parts) | Some(parts):
            for part in parts:
                yield from expressions(part)
        case Negated(part):
            yield from expressions(part)
        case _:
            assert_never(condition)


def evaluate(condition: Condition, scope: Scope, known: Mapping[str, ConditionResult] | None = None) -> ConditionResult:
    """Whether the condition holds now; raises TemplateError.

    `known` has the results of expressions that were evaluated elsewhere, by their source.
    """
    match condition:
        case Constant(value):
            return ConditionResult(value)
        case Expression():
            found = (known or {}).get(condition.source)
            return found if found is not None else evaluate_expression(condition, scope)
        case Every(parts):
            return _combined(parts, scope, known, stops_at=False)
        case Some(parts):
            return _combined(parts, scope, known, stops_at=True)
        case Negated(part):
            inner = evaluate(part, scope, known)
            return ConditionResult(not inner.value, inner.warnings)
        case _:
            assert_never(condition)


def _combined(
    parts: tuple[Condition, ...],
    scope: Scope,
    known: Mapping[str, ConditionResult] | None,
    *,
    stops_at: bool,
) -> ConditionResult:
    warnings: tuple[str, ...] = ()
    for part in parts:
        result = evaluate(part, scope, known)
        warnings += result.warnings
        if result.value is stops_at:
            return ConditionResult(stops_at, warnings)
    return ConditionResult(not stops_at, warnings)


def evaluate_expression(expression: Expression, scope: Scope) -> ConditionResult:
    """One expression; a missing field of an existing value is false and warns, an unknown name is an error."""
    found: list[str] = []
    token = _warnings.set(found)
    try:
        names = _context(scope)
        _stand_in(expression.template, scope.absent, names)
        value = run_expression(expression.template.text, _LENIENT, names)
        return ConditionResult(bool(value), tuple(dict.fromkeys(found)))
    except TemplateNameError as error:
        raise TemplateNameError(error.name, error.known or scope.visible()) from None
    except TemplateError:
        raise
    except FAILURES as error:
        raise TemplateError(str(error) or type(error).__name__) from None
    finally:
        _warnings.reset(token)


class _Strict(dict[str, Any]):
    """Names that must exist, such as inputs and steps, for which a missing one is an error and not false."""


class MissingField(StrictName):
    """A field that is not there: false, no match for anything but false and null, and a warning."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = None) -> None:
        super().__init__(hint, obj, name, exc)
        found = _warnings.get()
        if found is not None:
            found.append(f"`{name}` is missing and counts as false")

    def _below(self, *_args: Any) -> "MissingField":
        return self

    def _false(self, *_args: Any) -> bool:
        return False

    def _equal(self, other: Any) -> bool:
        return other is None or other is False or isinstance(other, MissingField)

    def _unequal(self, other: Any) -> bool:
        return not self._equal(other)

    def _nothing(self) -> Iterator[Any]:
        return iter(())

    def _zero(self) -> int:
        return 0

    def _empty(self) -> str:
        return ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    # Jinja declares that these never return.
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _below  # type: ignore[assignment]
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _below  # type: ignore[assignment]
    __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __pos__ = __getitem__ = _below  # type: ignore[assignment]
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __contains__ = _false  # type: ignore[assignment]
    __eq__, __ne__ = _equal, _unequal
    __hash__, __len__ = _zero, _zero
    __iter__, __str__ = _nothing, _empty


class _LenientSandbox(Sandbox):
    """A field that is missing below a name is false; a missing name stays an error."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return _lenient(super().getattr(obj, attribute), obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _lenient(super().getitem(obj, argument), obj, argument)


def _lenient(value: Any, obj: Any, name: Any) -> Any:
    missing_here = type(value) is StrictName and not isinstance(obj, _Strict)
    return MissingField(None, obj, name) if missing_here and is_missing_item(value) else value


_LENIENT = _LenientSandbox()
_BY_NAME = ("variables", "state", "steps", "_outputs", "_fields")


def _context(scope: Scope) -> dict[str, Any]:
    names = context_of(scope)
    for root in (*_BY_NAME, "inputs", "global_vars", "run", "workflow"):
        names[root] = _Strict(names[root])
    for name, function in FUNCTIONS.items():
        if names[name] is function:
            names[name] = _without_missing(function)
    return names


def _stand_in(template: Template, absent: tuple[str, ...], names: dict[str, Any]) -> None:
    """Puts a false value where the expression uses one of the names that may be missing and are."""
    for reference in template.references():
        root, *below = map(str, reference.path)
        if root in _BY_NAME and below and below[0] in absent and below[0] not in names[root]:
            names[root][below[0]] = MissingField(None, names[root], below[0])
        elif root in absent and root not in names:
            names[root] = MissingField(None, names, root)


def _without_missing(function: Any) -> Any:
    def call(*values: Any) -> Any:
        return function(*(None if isinstance(value, MissingField) else _value(value) for value in values))

    return call


def _value(value: Any) -> Any:
    return value.view.result if isinstance(value, StepFields) else value
