"""A pipeline as far as it could be read: what the checks look at, also when parts of the file are wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from elexirion.pipelines.inputs import NeededInput
from elexirion.pipelines.marks import Marks
from elexirion.pipelines.problems import KeyPath, Problem, written
from elexirion.pipelines.steps.step import Step


@dataclass(frozen=True, slots=True)
class DraftStep:
    """A step of the file; `step` is None where its keys are wrong."""

    path: KeyPath
    name: str | None
    needs: tuple[str, ...] | None
    step: Step | None


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of one workflow that the checks need."""

    steps: tuple[DraftStep, ...]
    on_error: tuple[DraftStep, ...]
    inputs: dict[str, bool]
    """Declared inputs, and whether they must be given."""
    variables: frozenset[str]
    global_vars: frozenset[str]
    functions: frozenset[str]
    default_options: Any
    """`defaults.claude_options` as read, for the templates in it."""
    output: Any
    prefix: KeyPath = ()
    supplied: bool = False
    """Whether an earlier pipeline of a chain supplies the inputs."""


@dataclass(slots=True)
class Findings:
    """Collects what the checks find, each at its place in the file."""

    file: str
    marks: Marks
    problems: list[Problem] = field(default_factory=list)
    needed: dict[str, NeededInput] = field(default_factory=dict)

    def error(self, path: KeyPath, message: str, hint: str | None = None, line_in_text: int | None = None) -> None:
        self._add("error", path, message, hint, line_in_text)

    def warning(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        self._add("warning", path, message, hint, None)

    def need(self, path: KeyPath, name: str) -> None:
        line = self.marks.find(path).line
        known = self.needed.get(name)
        if known is None or line < known.line:
            self.needed[name] = NeededInput(name, line)

    def _add(self, severity: Any, path: KeyPath, message: str, hint: str | None, line_in_text: int | None) -> None:
        mark = self.marks.find(path)
        line = mark.line if line_in_text is None else mark.content_line + line_in_text - 1
        column = mark.column if line == mark.line else 1
        self.problems.append(Problem(severity, message, hint, self.file, line, column, written(path)))


Check = Callable[[Draft, Findings], None]
