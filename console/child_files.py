"""The files that the steps of a pipeline run, followed from file to file before anything happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from elexirion.pipelines.child_files import ChildFile
from elexirion.pipelines.loader import Loaded, load_file
from elexirion.pipelines.problems import PipelineInvalid, Problem
from elexirion.pipelines.steps.pipeline_step import ChildConfig

MOST_DEEP = ChildConfig().max_depth


def find_child(file: str, folder: Path) -> Path | None:
    """The file that a step of a pipeline in `folder` means: from where the command runs, else from that folder."""
    candidates = (Path(os.path.normpath(start / file)) for start in (Path(), folder))
    return next((one for one in candidates if one.is_file()), None)


def problems_below(path: Path, loaded: Loaded) -> tuple[Problem, ...]:
    """What is wrong with the files that the pipeline runs and with those that these run, each said once.

    Files may not run each other in a circle. A file that is not there is a warning: an earlier step may write it.
    """
    return tuple(_Walk().below((path,), loaded))


@dataclass(slots=True)
class _Walk:
    """One look at a family of files; each is read once."""

    read: dict[Path, Loaded | None] = field(default_factory=dict)
    followed: set[Path] = field(default_factory=set)

    def below(self, chain: tuple[Path, ...], loaded: Loaded) -> Iterator[Problem]:
        """Problems of the last file of the chain with what it runs, and of those files."""
        for child in loaded.child_files:
            found = find_child(child.file, chain[-1].parent)
            if found is None:
                message = f"there is no file `{child.file}` now"
                yield _at(chain, child, message, "it must be there when the step runs", "warning")
            elif circle := _circle(chain, found):
                yield _at(chain, child, f"pipeline files run each other without end: {_told(circle)}")
            elif len(chain) > child.max_depth:
                message = f"pipelines run {len(chain)} deep, and `max_depth` is {child.max_depth}: {_told(chain)}"
                yield _at(chain, child, message)
            elif len(chain) <= MOST_DEEP:
                yield from self._child(chain, child, found)

    def _child(self, chain: tuple[Path, ...], child: ChildFile, path: Path) -> Iterator[Problem]:
        same = path.resolve()
        if same not in self.read:
            try:
                self.read[same] = load_file(path)
            except PipelineInvalid as invalid:
                self.read[same] = None
                for problem in invalid.errors:
                    yield replace(problem, message=f"{problem.message}; the file is run by {_told(chain)}")
        loaded = self.read[same]
        if loaded is None:
            return
        yield from _missing(chain, child, loaded)
        if same not in self.followed:
            self.followed.add(same)
            yield from self.below((*chain, path), loaded)


def _missing(chain: tuple[Path, ...], child: ChildFile, loaded: Loaded) -> Iterator[Problem]:
    for needed in () if child.inherits else loaded.needed_inputs:
        if needed.name not in child.inputs:
            message = f"the pipeline `{child.file}` needs the input `{needed.name}`, which the step does not give"
            yield _at(chain, child, message, "give it under `inputs` of the step")


def _circle(chain: tuple[Path, ...], found: Path) -> tuple[Path, ...] | None:
    resolved = [path.resolve() for path in chain]
    return (*chain[resolved.index(found.resolve()) :], found) if found.resolve() in resolved else None


def _at(
    chain: tuple[Path, ...], child: ChildFile, message: str, hint: str | None = None,
    severity: Literal["error", "warning"] = "error",
) -> Problem:  # fmt: skip
    return Problem(severity, message, hint, str(chain[-1]), child.line, child.column, child.key_path)


def _told(chain: tuple[Path, ...]) -> str:
    return " → ".join(str(path) for path in chain)
