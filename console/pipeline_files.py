"""The pipeline files of a command line: all of them are read before anything happens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
from elexirion.console.child_files import problems_below
from elexirion.console.exits import CommandProblem
from elexirion.pipelines.inputs import InputsRefused, missing_inputs, with_defaults
from elexirion.pipelines.loader import Loaded, load_file
from elexirion.pipelines.problems import PipelineInvalid, Problem
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import ItemsStep
from elexirion.pipelines.steps.pipeline_step import PipelineStep
from elexirion.pipelines.steps.step import Step


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """A file with what the loader made of it; `loaded` is None where it is no pipeline.

    `problems` are also those of files that its steps run.
    """

    path: Path
    loaded: Loaded | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What makes it unusable."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What an author should look at."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def read_file(path: Path) -> PipelineFile:
    """Load one file with those that its steps run; total."""
    file = _read_alone(path)
    if file.loaded is None:
        return file
    return replace(file, problems=(*file.problems, *problems_below(path, file.loaded)))


def _read_alone(path: Path) -> PipelineFile:
    try:
        loaded = load_file(path)
    except PipelineInvalid as invalid:
        return PipelineFile(path, None, invalid.problems)
    return PipelineFile(path, loaded, loaded.warnings)


def read_one(path: Path) -> Loaded:
    """A file that is looked at and not run; warnings go to stderr. Raises CommandProblem with all errors."""
    file = _read_alone(path)
    _print(file.problems)
    if file.loaded is None:
        count = len(file.errors)
        raise CommandProblem(
            "invalid_pipeline",
            f"{count} error{'s' if count > 1 else ''} in {path}.",
            more={"problems": [document(problem) for problem in file.errors]},
        )
    return file.loaded


def read_runnable(paths: Sequence[Path], inputs: dict[str, Any]) -> list[Loaded]:
    """All files; warnings go to stderr. Raises CommandProblem with everything that is wrong."""
    files = [read_file(path) for path in paths]
    wrong = [problem for file in files for problem in file.errors]
    wrong += [problem for index, file in enumerate(files) for problem in _missing(file, inputs, chained=index > 0)]
    _print(problem for file in files for problem in file.warnings)
    if wrong:
        _print(wrong)
        raise CommandProblem(
            "invalid_pipeline" if any(file.errors for file in files) else "missing_inputs",
            f"{len(wrong)} error{'s' if len(wrong) > 1 else ''} in {', '.join(str(path) for path in paths)}; "
            "nothing was started.",
            more={"problems": [document(problem) for problem in wrong]},
        )
    return [file.loaded for file in files if file.loaded]


def _missing(file: PipelineFile, inputs: dict[str, Any], *, chained: bool) -> list[Problem]:
    """A chained file gets the output before it: as `input`, and a mapping also key by key, unknown before."""
    if file.loaded is None or chained:
        return []
    try:
        given = with_defaults(file.loaded.pipeline, inputs)
    except InputsRefused as refused:
        return [Problem("error", reason, None, str(file.path), 1, 1) for reason in refused.reasons]
    return [
        Problem(
            "error", f"the input `{needed.name}` is needed and was not given", f"add -i {needed.name}=…",
            str(file.path), needed.line, 1,
        )
        for needed in missing_inputs(file.loaded.needed_inputs, given)
    ]  # fmt: skip


def lanes_of(pipelines: Iterable[Loaded]) -> frozenset[str]:
    """The lanes that the steps of the pipelines, and of those they chain to, travel over."""
    chained = (pipeline for loaded in pipelines for pipeline in (loaded.pipeline, *loaded.pipeline.then))
    return frozenset(lane for pipeline in chained for lane in _lanes_within(pipeline))


def _lanes_within(pipeline: Pipeline) -> Iterator[str]:
    """Those of its steps, of the items of steps, and of pipelines that stand in it."""
    for step in pipeline.by_name.values():
        yield from _lanes_asked(step)
        if isinstance(step, ItemsStep):
            yield from (lane for leaf in step.item_steps() for lane in _lanes_asked(leaf))
        if isinstance(step, PipelineStep) and step.pipeline is not None:
            yield from _lanes_within(step.pipeline)


def _lanes_asked(step: Step) -> Iterator[str]:
    """The step's own, and those of its fallbacks."""
    if step.lane:
        yield step.lane
        yield from (candidate.provider for candidate in step.candidates())


def document(problem: Problem) -> dict[str, Any]:
    """A problem as plain JSON."""
    return {
        "severity": problem.severity,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key_path or None,
        "message": problem.message,
        "hint": problem.hint,
    }


def _print(problems: Iterable[Problem]) -> None:
    for problem in problems:
        typer.secho(str(problem), err=True, fg="red" if problem.severity == "error" else "yellow")
