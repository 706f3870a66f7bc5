"""Jinja2 with bounds: what a template of a pipeline file may do within the process.

Time and memory cannot be bounded here; templates that could use much of them run in another process
(see `cheap`). Everything else is: no globals, no imports, no macros, bounded operands, filters and output.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from elexirion.pipelines.json_text import text_of
from elexirion.pipelines.names import StepFields, children
from elexirion.pipelines.template_errors import TemplateError, TemplateLimitError, TemplateNameError
from jinja2 import Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

MAX_OUTPUT = 256 * 1024
MAX_ITEMS = 100_000
_MAX_BITS = 10_000
_MAX_WIDTH = 10_000
_WIDE_FORMAT = re.compile(r"\*|\d{5,}")


class StrictName(Undefined):
    """A name that is not there: any use of it is an error that lists near names."""

    __slots__ = ()

    def __init__(self, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = None) -> None:
        super().__init__(hint, obj, name, exc if exc is SecurityError else self._name_error)  # type: ignore[arg-type]  # called with a message, raised

    def _name_error(self, _message: str) -> TemplateNameError:
        if self._undefined_obj is missing:
            return TemplateNameError(str(self._undefined_name))
        return TemplateNameError(str(self._undefined_name), children(self._undefined_obj), _kind(self._undefined_obj))

    def _fail(self, *_args: Any, **_kwargs: Any) -> Any:
        self._fail_with_undefined_error()

    __iter__ = __str__ = __len__ = _fail
    __eq__ = __ne__ = __bool__ = __hash__ = __contains__ = _fail


def is_missing_item(value: StrictName) -> bool:
    """Whether an item was looked for and not found, as opposed to an attribute that is not accepted."""
    return value._undefined_hint is None


def _kind(value: Any) -> str:
    match value:
        case StepFields():
            return "the step's result"
        case Mapping():
            return "the mapping"
        case _:
            return f"a value of type {type(value).__name__}"


class _Generator(CodeGenerator):
    """`a ~ b` joins values as they read in a text, and within the bound of the output."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - the name is Jinja's
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """The one environment; templates know nothing but the names given to them."""

    code_generator_class = _Generator
    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, undefined: type[Undefined] = StrictName) -> None:
        # Constants are not folded: that would evaluate them while a file is being read.
        super().__init__(
            undefined=undefined,
            optimized=False,
            keep_trailing_newline=True,
            finalize=text_in_template,
            cache_size=0,
        )
        self.globals.clear()
        self.filters.update(_FILTERS)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if getattr(value, "__name__", "") in ("format", "format_map") and isinstance(
            getattr(value, "__self__", None), str
        ):
            raise TemplateError("`.format` is not accepted: use `~` or the filter `format`")
        return None

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        widening = isinstance(obj, str) and attr in ("center", "ljust", "rjust", "zfill", "expandtabs", "replace")
        return not widening and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _check_operands(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def joined(self, parts: tuple[Any, ...]) -> str:
        return bounded_join(text_in_template(part) for part in parts)


def text_in_template(value: Any) -> str:
    """How a value reads within a text: text as it is, everything else as JSON."""
    if isinstance(value, str):
        return value
    return text_of(plain(value))


def plain(value: Any) -> Any:
    """A value as JSON types, lists of generators included; raises TemplateError for anything else."""
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return str(value)
        case StepFields():
            return value.view.result
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case Undefined():
            return str(value)
    if hasattr(value, "__next__"):
        return _listed(value)
    raise TemplateError(f"a {type(value).__name__} is no value: was a function named but not called?")


def _listed(iterator: Any) -> list[Any]:
    items = []
    for item in iterator:
        items.append(plain(item))
        if len(items) > MAX_ITEMS:
            raise TemplateLimitError("output", f"more than {MAX_ITEMS} items")
    return items


def bounded_join(pieces: Any) -> str:
    """The pieces as one text of at most 256 KB; raises TemplateLimitError."""
    parts, size = [], 0
    for piece in pieces:
        size += len(piece) if piece.isascii() else len(piece.encode("utf-8", "surrogatepass"))
        if size > MAX_OUTPUT:
            raise TemplateLimitError("output", f"the text is longer than {MAX_OUTPUT} bytes")
        parts.append(piece)
    return "".join(parts)


def _check_operands(operator: str, left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        bits = max(left.bit_length(), 1)
        grown = bits * right if operator == "**" else bits + right.bit_length()
        if operator in ("*", "**", "+") and grown > _MAX_BITS:
            raise TemplateLimitError("operand", f"the result of `{operator}` is too large")
        return
    if operator == "*":
        _check_repetition(left, right)
        _check_repetition(right, left)
    if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
        _check_size(len(left) + len(right))
    if operator == "%" and isinstance(left, str):
        check_format(left)


def _check_repetition(value: Any, times: Any) -> None:
    if isinstance(value, str | list | tuple) and isinstance(times, int):
        _check_size(len(value) * times)


def _check_size(size: int) -> None:
    if size > MAX_OUTPUT:
        raise TemplateLimitError("operand", f"a value of {size} characters or items is too large")


def _width(width: Any) -> int:
    if not isinstance(width, int) or not 0 <= width <= _MAX_WIDTH:
        raise TemplateLimitError("operand", f"a width must be a number up to {_MAX_WIDTH}")
    return width


def check_format(text: str) -> None:
    """Refuse a format such as `%1000000000d`."""
    if _WIDE_FORMAT.search(text):
        raise TemplateLimitError("operand", "a format is too wide")


def _center(value: Any, width: int = 80) -> str:
    return text_in_template(value).center(_width(width))


def _indent(text: Any, width: Any = 4, first: bool = False, blank: bool = False) -> str:
    lines = text_in_template(text).splitlines(keepends=True)
    margin = width if isinstance(width, str) else " " * _width(width)
    _check_size(len(margin) * len(lines))
    indented = (margin + line if line.strip() or blank else line for line in lines[0 if first else 1 :])
    return bounded_join([*lines[: 0 if first else 1], *indented])


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    text = text_in_template(value)
    check_format(text)
    return text % (kwargs or args)


def _replace(text: Any, old: Any, new: Any, count: int = -1) -> str:
    source, before, after = (text_in_template(part) for part in (text, old, new))
    _check_size(source.count(before) * len(after))
    return source.replace(before, after, -1 if count is None else count)


def _join(values: Any, d: Any = "", attribute: Any = None) -> str:
    items = [value if attribute is None else value[attribute] for value in values]
    _check_size(len(items) * len(str(d)))
    return bounded_join(_separated([text_in_template(item) for item in items], str(d)))


def _separated(items: list[str], separator: str) -> Any:
    for index, item in enumerate(items):
        yield f"{separator}{item}" if index else item


def _tojson(value: Any, indent: int | None = None) -> str:
    """JSON as it is, without the escapes that Jinja adds for HTML."""
    if indent is not None and not 0 <= indent <= 16:
        raise TemplateLimitError("operand", "tojson indents by at most 16")
    return json.dumps(plain(value), ensure_ascii=False, indent=indent)


def _string(value: Any) -> str:
    return text_in_template(value)


def _bounded_count(name: str) -> Callable[..., Any]:
    original = FILTERS[name]

    def with_bound(value: Any, count: int, fill_with: Any = None) -> Any:
        return original(value, _width(count), fill_with)

    return with_bound


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "center": _center,
    "indent": _indent,
    "format": _format,
    "replace": _replace,
    "join": _join,
    "tojson": _tojson,
    "string": _string,
    "batch": _bounded_count("batch"),
    "slice": _bounded_count("slice"),
}
