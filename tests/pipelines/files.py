"""Short ways to write pipeline files in tests."""

import os
from pathlib import Path

from elexirion.pipelines.loader import Loaded, load
from elexirion.pipelines.names import Scope
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.rendering import rendering_of
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.step import Rendering

SHARED = Path(os.environ.get("ELEXIRION_SHARED", Path(__file__).parents[3] / "shared")) / "pipelines"


def loaded(text: str) -> Loaded:
    return load(text, "p.yaml")


def pipeline(text: str) -> Pipeline:
    return loaded(text).pipeline


def errors_of(text: str) -> list[str]:
    """The messages of all errors, with the line in front."""
    try:
        load(text, "p.yaml")
    except PipelineInvalid as invalid:
        return [f"{problem.line}: {problem.message}" for problem in invalid.errors]
    return []


def warnings_of(text: str) -> list[str]:
    return [f"{warning.line}: {warning.message}" for warning in loaded(text).warnings]


def steps(*lines: str) -> str:
    """A workflow of steps in flow style: line 4 is the first of them."""
    return "\n".join(["workflow:", "  name: p", "  steps:", *(f"    - {{{line}}}" for line in lines)]) + "\n"


def rendering(found: Pipeline, scope: Scope = Scope()) -> Rendering:  # noqa: B008 - frozen
    """What a step of the pipeline may ask for when it is ready; there are no files."""
    return rendering_of(found, scope, _no_file)


def _no_file(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)
