"""Text into a pipeline, or into every reason why it is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elexirion.pipelines.child_files import ChildFile
from elexirion.pipelines.draft import Findings
from elexirion.pipelines.family_checks import check_family
from elexirion.pipelines.form_errors import note_form_errors
from elexirion.pipelines.inputs import NeededInput
from elexirion.pipelines.key_warnings import note_keys
from elexirion.pipelines.model import Readings
from elexirion.pipelines.problems import KeyPath, PipelineInvalid, Problem
from elexirion.pipelines.schema import Pipeline, definition_sha256, from_definition
from elexirion.pipelines.yaml_reader import MAX_BYTES, read
from pydantic import ValidationError

__all__ = ["Loaded", "from_definition", "load", "load_file"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid pipeline with its warnings, the inputs it needs, and the definition that its runs record."""

    pipeline: Pipeline
    warnings: tuple[Problem, ...]
    needed_inputs: tuple[NeededInput, ...]
    definition: dict[str, Any]
    sha256: str
    child_files: tuple[ChildFile, ...] = ()
    """The files that its steps run; the loader opens none of them."""


def load(text: str, file: str) -> Loaded:
    """The pipeline of a YAML or JSON text; `file` is its name in messages.

    Raises PipelineInvalid with all errors and warnings at once.
    """
    document = read(text, file)
    findings = Findings(file, document.marks, list(document.problems))
    root, prefix = _workflow(document.value, findings)
    pipeline = _check_workflow(root, prefix, findings)
    warnings = tuple(problem for problem in findings.problems if problem.severity == "warning")
    if pipeline is None or len(warnings) < len(findings.problems):
        raise PipelineInvalid(findings.problems)
    needed = tuple(sorted(findings.needed.values(), key=lambda one: (one.line, one.name)))
    definition = pipeline.definition()
    ordered = tuple(sorted(warnings, key=lambda problem: (problem.line, problem.column)))
    return Loaded(pipeline, ordered, needed, definition, definition_sha256(definition), tuple(findings.child_files))


def load_file(path: Path | str) -> Loaded:
    """The pipeline of a file; raises PipelineInvalid, also for a file that cannot be read."""
    try:
        with Path(path).open("rb") as stream:
            # One byte more than allowed is enough to refuse a huge file.
            text = stream.read(MAX_BYTES + 1).decode()
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"the file is not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"the file cannot be read: {reason}") from None
    return load(text, str(path))


def _unreadable(path: Path | str, message: str) -> PipelineInvalid:
    return PipelineInvalid([Problem("error", message, None, str(path), 1, 1)])


def _workflow(value: Any, findings: Findings) -> tuple[dict[str, Any], KeyPath]:
    """The mapping with name and steps: below `workflow`, or the root itself."""
    hint = "begin with `workflow:`, and under it `name` and `steps`"
    if not isinstance(value, dict):
        findings.error((), "a pipeline is a mapping", hint)
        raise PipelineInvalid(findings.problems)
    if "workflow" not in value:
        return value, ()
    for key in value:
        if key != "workflow":
            findings.warning((key,), f"`{key}` stands beside `workflow` and has no effect", "move it below")
    workflow = value["workflow"]
    if not isinstance(workflow, dict):
        findings.error(("workflow",), "`workflow` is not a mapping", hint)
        raise PipelineInvalid(findings.problems)
    return workflow, ("workflow",)


def _check_workflow(raw: dict[str, Any], prefix: KeyPath, findings: Findings) -> Pipeline | None:
    readings = Readings()
    pipeline: Pipeline | None = None
    try:
        pipeline = Pipeline.model_validate(raw, context=readings)
    except ValidationError as error:
        note_form_errors(error, raw, prefix, findings)
    note_keys(raw, prefix, readings, findings)
    check_family(raw, pipeline, prefix, findings)
    return pipeline
