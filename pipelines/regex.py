"""Regular expressions that a pipeline file brings along.

Python's `re` cannot be interrupted. The patterns that people write by mistake and that run for ever are refused
by their structure: an unbounded repetition inside another repetition, and back-references. What remains runs in
the process with a time limit, except for patterns that can match in a few ways only: these run at once.
"""

import re
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined]  # CPython's own parser of patterns; typeshed leaves it out
from typing import Any

MAX_PATTERN = 1000
# A repetition up to this bound costs no more than writing it out.
_SHORT = 16
# Backtracking tries each of them at every position of the text.
_FEW_WAYS = 64
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


class RegexRefused(ValueError):  # noqa: N818 - what happened, like every event
    """A pattern that does not parse or may run too long."""


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, ready to search; raises RegexRefused."""
    if _depth(_parsed(pattern)) > 1:
        raise RegexRefused("a repetition inside a repetition can run for ever: simplify the pattern")
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RegexRefused(f"not a regular expression: {error}") from None


def is_linear(pattern: str) -> bool:
    """Whether the search takes time in proportion to the text: there are few ways in which it could match."""
    try:
        return _ways(_parsed(pattern)) <= _FEW_WAYS
    except RegexRefused:
        # The refusal itself takes no time.
        return True


@lru_cache(maxsize=512)
def _parsed(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise RegexRefused(f"the pattern has more than {MAX_PATTERN} characters")
    try:
        return _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RegexRefused(f"not a regular expression: {error}") from None


def _depth(parsed: Any) -> int:
    """How many long repetitions stand inside one another, at most."""
    deepest = 0
    for code, argument in parsed:
        name = str(code)
        if name.startswith("GROUPREF") and name != "GROUPREF_EXISTS":
            raise RegexRefused("back-references are not accepted: they can run for ever")
        own = 0
        inner = _patterns(argument)
        if name in _REPEATS:
            _, most, _ = argument
            own = 1 if int(most) > _SHORT else 0
            # A short repetition around a long one multiplies its branches as well.
            if not own and int(most) > 1 and any(_depth(part) for part in inner):
                own = 1
        deepest = max(deepest, own + max((_depth(part) for part in inner), default=0))
    return deepest


def _ways(parsed: Any) -> int:
    """In how many ways the pattern could match at one position, at most; counted up to just over a few."""
    ways = 1
    for code, argument in parsed:
        inner = [_ways(part) for part in _patterns(argument)]
        if str(code) in _REPEATS:
            least, most, _ = argument
            # Without the exact sum: each number of repetitions, each in all its ways.
            ways *= (int(most) - int(least) + 1) * max(inner) ** min(int(most), _FEW_WAYS)
        else:
            ways *= sum(inner) if inner else 1
        ways = min(ways, _FEW_WAYS + 1)
    return ways


def _patterns(argument: Any) -> list[Any]:
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    if isinstance(argument, list | tuple):
        return [found for part in argument for found in _patterns(part)]
    return []
