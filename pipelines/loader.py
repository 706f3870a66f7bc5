"""Text into a pipeline, or into every reason why it is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elexirion.pipelines.checks import check
from elexirion.pipelines.draft import Draft, DraftStep, Findings
from elexirion.pipelines.form_errors import note_form_errors
from elexirion.pipelines.inputs import NeededInput
from elexirion.pipelines.key_warnings import note_keys
from elexirion.pipelines.model import Readings
from elexirion.pipelines.problems import KeyPath, PipelineInvalid, Problem
from elexirion.pipelines.schema import InputDeclaration, Pipeline, definition_sha256, from_definition
from elexirion.pipelines.steps.registry import AnyStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.yaml_reader import MAX_BYTES, read
from pydantic import TypeAdapter, ValidationError

__all__ = ["Loaded", "from_definition", "load", "load_file"]

_STEP: TypeAdapter[Step] = TypeAdapter(AnyStep)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid pipeline with its warnings, the inputs it needs, and the definition that its runs record."""

    pipeline: Pipeline
    warnings: tuple[Problem, ...]
    needed_inputs: tuple[NeededInput, ...]
    definition: dict[str, Any]
    sha256: str


def load(text: str, file: str) -> Loaded:
    """The pipeline of a YAML or JSON text; `file` is its name in messages.

    Raises PipelineInvalid with all errors and warnings at once.
    """
    document = read(text, file)
    findings = Findings(file, document.marks, list(document.problems))
    root, prefix = _workflow(document.value, findings)
    pipeline = _check_workflow(root, prefix, findings, supplied=False)
    warnings = tuple(problem for problem in findings.problems if problem.severity == "warning")
    if pipeline is None or len(warnings) < len(findings.problems):
        raise PipelineInvalid(findings.problems)
    needed = tuple(sorted(findings.needed.values(), key=lambda one: (one.line, one.name)))
    definition = pipeline.definition()
    ordered = tuple(sorted(warnings, key=lambda problem: (problem.line, problem.column)))
    return Loaded(pipeline, ordered, needed, definition, definition_sha256(definition))


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


def _check_workflow(raw: dict[str, Any], prefix: KeyPath, findings: Findings, *, supplied: bool) -> Pipeline | None:
    readings = Readings()
    pipeline: Pipeline | None = None
    try:
        pipeline = Pipeline.model_validate(raw, context=readings)
    except ValidationError as error:
        note_form_errors(error, raw, prefix, findings)
    note_keys(raw, prefix, readings, findings)
    check_chain(raw, pipeline, prefix, findings, supplied=supplied)
    return pipeline


def check_chain(
    raw: dict[str, Any], pipeline: Pipeline | None, prefix: KeyPath, findings: Findings, *, supplied: bool
) -> None:
    """The checks of a workflow and of those that `then` chains to it."""
    check(_draft(raw, pipeline, prefix, supplied), findings)
    following = raw.get("then")
    for index, inner in enumerate(following if isinstance(following, list) else ()):
        path: KeyPath = (*prefix, "then", index)
        if isinstance(inner, dict) and isinstance(inner.get("workflow"), dict):
            inner, path = inner["workflow"], (*path, "workflow")
        if isinstance(inner, dict):
            then = pipeline.then[index] if pipeline else None
            check_chain(inner, then, path, findings, supplied=True)


def _draft(raw: dict[str, Any], pipeline: Pipeline | None, prefix: KeyPath, supplied: bool) -> Draft:
    defaults = raw.get("defaults")
    return Draft(
        steps=_steps(raw, "steps", prefix, pipeline.steps if pipeline else None),
        on_error=_steps(raw, "on_error", prefix, pipeline.on_error if pipeline else None),
        inputs={name: _must_be_given(value) for name, value in _mapping(raw, "inputs").items()},
        variables=frozenset(_mapping(raw, "variables")),
        global_vars=frozenset(_mapping(raw, "global_vars")),
        functions=frozenset(_mapping(raw, "gemini_functions")),
        default_options=defaults.get("claude_options") if isinstance(defaults, dict) else None,
        output=raw.get("output"),
        prefix=prefix,
        supplied=supplied,
    )


def _steps(
    raw: dict[str, Any], key: str, prefix: KeyPath, read_steps: tuple[Step, ...] | None
) -> tuple[DraftStep, ...]:
    written = raw.get(key)
    if not isinstance(written, list):
        return ()
    return tuple(
        _draft_step(item, (*prefix, key, index), read_steps[index] if read_steps else None)
        for index, item in enumerate(written)
    )


def _draft_step(raw: Any, path: KeyPath, step: Step | None) -> DraftStep:
    if step is None:
        try:
            step = _STEP.validate_python(raw)
        except ValidationError:
            # Noted already, with its place, by the whole workflow's validation.
            name = raw.get("name") if isinstance(raw, dict) else None
            return DraftStep(path, name if isinstance(name, str) else None, None, None)
    return DraftStep(path, step.name, step.needs, step)


def _mapping(raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _must_be_given(raw: Any) -> bool:
    try:
        return InputDeclaration.model_validate(raw).must_be_given
    except ValidationError:
        return False
