"""`-i key=value`: inputs of a run from the command line."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from elexirion.console.exits import CommandProblem


def parse_inputs(given: Iterable[str]) -> dict[str, Any]:
    """Names and values: JSON where it is JSON, the text of a file for `@path`, else the text itself.

    The last of several with one name holds. Raises CommandProblem.
    """
    return dict(_parse(item) for item in given)


def _parse(item: str) -> tuple[str, Any]:
    name, equals, text = item.partition("=")
    if not equals or not name.strip():
        raise CommandProblem("bad_input", f"-i {item}: an input is given as -i name=value.")
    if text.startswith("@"):
        return name.strip(), _file(name.strip(), text[1:])
    return name.strip(), read_value(text)


def read_value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _file(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandProblem("bad_input", f"-i {name}=@{path}: the file cannot be read: {reason}.") from None


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")  # NaN and Infinity are texts here
