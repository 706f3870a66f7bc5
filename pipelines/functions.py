"""The functions that templates and conditions may call; there are no others."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from elexirion.pipelines.regex import RegexRefused, compiled
from elexirion.pipelines.template_errors import TemplateError

MAX_BITS = 10_000
_MAX_SEARCHED = 256 * 1024


def _number(value: Any) -> int | float:
    """A number, also when a model wrote it as text."""
    if isinstance(value, bool) or value is None:
        raise TemplateError(f"{'null' if value is None else 'a boolean'} is not a number")
    if isinstance(value, int | float):
        return value
    text = str(value).strip()
    if len(text) > 64:
        raise TemplateError("a long text is not a number")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise TemplateError("a text is not a number")  # which one it was is no matter of a message: it may be an answer


def _numbers(values: tuple[Any, ...]) -> list[int | float]:
    """Numbers given one by one, or as one list."""
    single = values[0] if len(values) == 1 else None
    return [_number(value) for value in (single if isinstance(single, list | tuple) else values)]


def _some_numbers(values: tuple[Any, ...], function: str) -> list[int | float]:
    numbers = _numbers(values)
    if not numbers:
        raise TemplateError(f"{function} of an empty list")
    return numbers


def add(a: Any, b: Any) -> int | float:
    return _number(a) + _number(b)


def subtract(a: Any, b: Any) -> int | float:
    return _number(a) - _number(b)


def multiply(a: Any, b: Any) -> int | float:
    left, right = _number(a), _number(b)
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > MAX_BITS:
        raise TemplateError("the product is too large")
    return left * right


def divide(a: Any, b: Any) -> float:
    divisor = _number(b)
    if divisor == 0:
        raise TemplateError("division by zero")
    return _number(a) / divisor


def round_to(value: Any, digits: int = 0) -> int | float:
    """Rounded half away from zero, as people do; without digits a whole number."""
    number = _number(value)
    if not -15 <= digits <= 15:
        raise TemplateError("round takes -15 to 15 digits")
    factor = 10.0**digits
    rounded = math.copysign(math.floor(abs(number) * factor + 0.5), number) / factor
    return rounded if digits > 0 else int(rounded)


def floor(value: Any) -> int:
    return math.floor(_number(value))


def ceil(value: Any) -> int:
    return math.ceil(_number(value))


def minimum(*values: Any) -> int | float:
    return min(_some_numbers(values, "min"))


def maximum(*values: Any) -> int | float:
    return max(_some_numbers(values, "max"))


def length(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise TemplateError(f"{type(value).__name__} has no length")


def total(*values: Any) -> int | float:
    return sum(_numbers(values))


def average(*values: Any) -> float:
    numbers = _some_numbers(values, "average")
    return sum(numbers) / len(numbers)


def contains(container: Any, wanted: Any) -> bool:
    """Whether a text holds a text, a list an item, or a mapping a key."""
    if container is None:
        return False
    if isinstance(container, str):
        return str(wanted) in container
    if isinstance(container, list | tuple | Mapping):
        return wanted in container
    raise TemplateError(f"{type(container).__name__} contains nothing")


def starts_with(text: Any, start: Any) -> bool:
    return _text(text).startswith(_text(start))


def ends_with(text: Any, end: Any) -> bool:
    return _text(text).endswith(_text(end))


def matches(text: Any, pattern: Any) -> bool:
    """Whether the regular expression is found anywhere in the text."""
    searched = _text(text)
    if len(searched) > _MAX_SEARCHED:
        raise TemplateError(f"matches searches at most {_MAX_SEARCHED} characters")
    try:
        return compiled(_text(pattern)).search(searched) is not None
    except RegexRefused as error:
        raise TemplateError(str(error)) from None


def any_of(*values: Any) -> bool:
    return any(_items(values))


def all_of(*values: Any) -> bool:
    return all(_items(values))


def is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, list | tuple | Mapping) and not value)


def lower(text: Any) -> str:
    return _text(text).lower()


def upper(text: Any) -> str:
    return _text(text).upper()


def trim(text: Any) -> str:
    return _text(text).strip()


def between(value: Any, low: Any, high: Any) -> bool:
    """Whether low <= value <= high; a value that is missing is not."""
    if value is None:
        return False
    return _number(low) <= _number(value) <= _number(high)


def _items(values: tuple[Any, ...]) -> tuple[Any, ...] | list[Any]:
    single = values[0] if len(values) == 1 else None
    return single if isinstance(single, list | tuple) else values


def _text(value: Any) -> str:
    return "" if value is None else str(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": add,
    "subtract": subtract,
    "multiply": multiply,
    "divide": divide,
    "round": round_to,
    "floor": floor,
    "ceil": ceil,
    "min": minimum,
    "max": maximum,
    "length": length,
    "count": length,
    "sum": total,
    "average": average,
    "contains": contains,
    "startsWith": starts_with,
    "starts_with": starts_with,
    "endsWith": ends_with,
    "ends_with": ends_with,
    "matches": matches,
    "any": any_of,
    "all": all_of,
    "isEmpty": is_empty,
    "is_empty": is_empty,
    "toLowerCase": lower,
    "toUpperCase": upper,
    "trim": trim,
    "between": between,
}
# `now()` is a value of the scope, since evaluation has no clock.
FUNCTION_NAMES = frozenset([*FUNCTIONS, "now"])
