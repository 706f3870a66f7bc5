"""What can be wrong with a template or a condition, while it is read or evaluated."""

from collections.abc import Iterable

from elexirion.pipelines.near import did_you_mean
from jinja2 import UndefinedError


class TemplateError(Exception):
    """A template or condition that gave no value; the text says why."""


class TemplateInvalid(TemplateError):  # noqa: N818 - what happened, like every event
    """A text that does not parse; `line` counts from 1 within that text."""

    def __init__(self, message: str, line: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint


class TemplateNameError(TemplateError, UndefinedError):
    """A name that does not exist where it was looked for."""

    def __init__(self, name: str, known: Iterable[str] = (), within: str = "") -> None:
        self.name = name
        self.known = tuple(known)
        place = f" in {within}" if within else ""
        hint = did_you_mean(name, self.known)
        text = f"`{name}` is unknown{place}"
        super().__init__(f"{text}: {hint}" if hint else text)


class TemplateLimitError(TemplateError):
    """A bound was reached; `bound` names it: "time", "memory", "output", "operand"."""

    def __init__(self, bound: str, message: str) -> None:
        super().__init__(message)
        self.bound = bound
