"""A condition as one line for people."""

from typing import Any


def condition_text(condition: Any) -> str:
    """The condition of a step as its file has it, with trees written out by words."""
    match condition:
        case bool():
            return "true" if condition else "false"
        case str():
            return " ".join(condition.split())
        case list() | tuple():
            return _joined("and", condition)
        case {"and": parts} | {"or": parts} if isinstance(parts, list | tuple):
            return _joined(next(iter(condition)), parts)
        case {"not": part}:
            return f"not {_within(part)}"
        case _:
            return str(condition)


def _joined(word: str, parts: Any) -> str:
    return f" {word} ".join(_within(part) for part in parts) or "true"


def _within(part: Any) -> str:
    text = condition_text(part)
    return f"({text})" if " " in text else text
