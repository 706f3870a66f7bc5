"""A pipeline as far as it could be read: what the checks look at, also when parts of the file are wrong."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from elexirion.pipelines.child_files import ChildFile
from elexirion.pipelines.inputs import NeededInput
from elexirion.pipelines.marks import Marks
from elexirion.pipelines.near import did_you_mean
from elexirion.pipelines.problems import KeyPath, Problem, written
from elexirion.pipelines.steps.composite import CompositeStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.templates import is_template
from elexirion.pipelines.uses import Use

MOST_LOOKED_UP = 50
Wanted = tuple[tuple[KeyPath, str], ...]
"""Expressions that a parent takes from a pipeline, with where they stand."""


@dataclass(frozen=True, slots=True)
class DraftBlock:
    """Steps inside a step."""

    steps: tuple["DraftStep", ...]


@dataclass(frozen=True, slots=True)
class DraftStep:
    """A step of the file; `step` is None where its keys are wrong."""

    path: KeyPath
    name: str | None
    needs: tuple[str, ...] | None
    step: Step | None
    blocks: tuple[DraftBlock, ...] = ()
    local_names: frozenset[str] = frozenset()
    """Names that exist within it alone."""

    def inside(self) -> Iterator["DraftStep"]:
        """All steps inside it, each before what it holds."""
        for block in self.blocks:
            for step in block.steps:
                yield step
                yield from step.inside()

    def uses(self) -> Iterator[Use]:
        """Everything it takes from elsewhere, for itself and for its items or turns."""
        if self.step is not None:
            yield from self.step.uses()
        if isinstance(self.step, CompositeStep):
            yield from self.step.inner_uses()


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
    most_nested: int = 10
    """How many steps may stand around a step."""
    prefix: KeyPath = ()
    supplied: bool = False
    """Whether an earlier pipeline of a chain supplies the inputs."""
    wanted: Wanted = ()

    def all_steps(self) -> Iterator[DraftStep]:
        """Every step, also inside of others and of `on_error`."""
        for step in (*self.steps, *self.on_error):
            yield step
            yield from step.inside()

    def blocks(self) -> Iterator[tuple[DraftStep, ...]]:
        """Every list of steps that `needs` orders."""
        yield self.steps
        yield self.on_error
        for step in self.all_steps():
            yield from (block.steps for block in step.blocks)


@dataclass(slots=True)
class Findings:
    """Collects what the checks find, each at its place in the file."""

    file: str
    marks: Marks
    problems: list[Problem] = field(default_factory=list)
    needed: dict[str, NeededInput] = field(default_factory=dict)
    places: dict[str, KeyPath] = field(default_factory=dict)
    """Where each needed input is used first."""
    child_files: list[ChildFile] = field(default_factory=list)
    """The files that steps run, in the order of the file."""
    looked_up: int = 0
    """How many near names were looked for, which takes time in proportion to the names there are."""

    def error(self, path: KeyPath, message: str, hint: str | None = None, line_in_text: int | None = None) -> None:
        self._add("error", path, message, hint, line_in_text)

    def warning(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        self._add("warning", path, message, hint, None)

    def near(self, name: str, known: Iterable[str]) -> str | None:
        """A hint with names close to `name`; None once there are so many hints that nobody would read one more."""
        self.looked_up += 1
        return did_you_mean(name, known) if self.looked_up <= MOST_LOOKED_UP else None

    def need(self, path: KeyPath, name: str) -> None:
        line = self.marks.find(path).line
        known = self.needed.get(name)
        if known is None or line < known.line:
            self.needed[name] = NeededInput(name, line)
            self.places[name] = path

    def runs_file(self, path: KeyPath, step: PipelineStep) -> None:
        """Note that the step at `path` runs a file, where the file alone says which."""
        file = step.pipeline_file
        if file is None or is_template(file):
            return
        mark, config = self.marks.find((*path, "pipeline_file")), step.child_config
        key_path = written((*path, "pipeline_file"))
        given = frozenset(step.inputs)
        self.child_files.append(
            ChildFile(
                file, step.name, mark.line, mark.column, key_path, given, config.inherit_context, config.max_depth
            )
        )

    def _add(self, severity: Any, path: KeyPath, message: str, hint: str | None, line_in_text: int | None) -> None:
        mark = self.marks.find(path)
        line = mark.line if line_in_text is None else mark.content_line + line_in_text - 1
        column = mark.column if line == mark.line else 1
        self.problems.append(Problem(severity, message, hint, self.file, line, column, written(path)))
