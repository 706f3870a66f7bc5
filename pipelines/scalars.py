"""Plain scalars by the core schema of YAML 1.2.2, section 10.3.2.

PyYAML resolves YAML 1.1, in which `on`, `no` and `12:30` are no text.
"""

import math
import re

_NULL = frozenset(["", "~", "null", "Null", "NULL"])
_TRUE = frozenset(["true", "True", "TRUE"])
_FALSE = frozenset(["false", "False", "FALSE"])
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_INT = 2**63 - 1

Scalar = str | int | float | bool | None


class ScalarRefused(ValueError):  # noqa: N818 - what happened, like every event
    """A scalar that JSON, and so the log, cannot carry."""


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar; raises ScalarRefused for numbers that JSON cannot carry."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    return _number(text)


def _number(text: str) -> Scalar:
    if _INT.fullmatch(text):
        return _whole(text, 10)
    if _OCTAL.fullmatch(text):
        return _whole(text[2:], 8)
    if _HEX.fullmatch(text):
        return _whole(text[2:], 16)
    if _NOT_FINITE.fullmatch(text):
        raise ScalarRefused(f"{text} is not a finite number")
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ScalarRefused("a number is too large")
        return value
    return text


def _whole(digits: str, base: int) -> int:
    # 64 digits hold every accepted number in every base, and int() refuses thousands of digits.
    if len(digits.lstrip("+-0")) > 64:
        raise ScalarRefused("a whole number has more than 64 bits")
    value = int(digits, base)
    if abs(value) > _MAX_INT:
        raise ScalarRefused("a whole number has more than 64 bits")
    return value
