"""The checks of a workflow together with those it chains to (`then`) and those it holds (steps of type `pipeline`)."""

from typing import Any

from elexirion.pipelines.checks import check
from elexirion.pipelines.draft import Draft, DraftStep, Findings, Wanted
from elexirion.pipelines.drafting import draft_of
from elexirion.pipelines.name_checks import references_of
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.pipeline_step import PipelineStep, expression_of
from elexirion.pipelines.templates import is_template


def check_family(
    raw: dict[str, Any],
    pipeline: Pipeline | None,
    prefix: KeyPath,
    findings: Findings,
    *,
    supplied: bool = False,
    wanted: Wanted = (),
) -> None:
    """All checks of the workflow at `prefix`; `supplied` when an earlier pipeline gives its inputs."""
    draft = draft_of(raw, pipeline, prefix, supplied=supplied, wanted=wanted)
    check(draft, findings)
    for step in draft.all_steps():
        if isinstance(step.step, PipelineStep):
            _check_child(step, step.step, raw, draft, findings)
    following = raw.get("then")
    for index, written in enumerate(following if isinstance(following, list) else ()):
        inner, path = _unwrapped(written, (*prefix, "then", index))
        if isinstance(inner, dict):
            check_family(inner, pipeline.then[index] if pipeline else None, path, findings, supplied=True)


def _unwrapped(raw: Any, path: KeyPath) -> tuple[Any, KeyPath]:
    if isinstance(raw, dict) and isinstance(raw.get("workflow"), dict):
        return raw["workflow"], (*path, "workflow")
    return raw, path


def _check_child(place: DraftStep, step: PipelineStep, raw: dict[str, Any], draft: Draft, findings: Findings) -> None:
    written = _at(raw, place.path[len(draft.prefix) :]).get("pipeline")
    inner, path = _unwrapped(written, (*place.path, "pipeline"))
    findings.runs_file(place.path, step)
    outputs = enumerate(step.child_outputs())
    if step.pipeline is None or not isinstance(inner, dict):
        for index, one in outputs:
            where = (*place.path, "outputs", index)
            # Whether the names in it exist shows when the file is there.
            list(references_of(where, one.path, findings, expression=not is_template(one.path)))
        return
    wanted = tuple(((*place.path, "outputs", index), expression_of(one.path, inner)) for index, one in outputs)
    child = Findings(findings.file, findings.marks, findings.problems, child_files=findings.child_files)
    check_family(inner, step.pipeline, path, child, wanted=wanted)
    for name, where in child.places.items():
        _need_of_child(name, where, step, draft, findings)


def _need_of_child(name: str, path: KeyPath, step: PipelineStep, draft: Draft, findings: Findings) -> None:
    """An input that the child needs: given by the step, or by the parent where the child inherits its names."""
    if name in step.inputs:
        return
    if not step.child_config.inherit_context:
        message = f"the pipeline of the step `{step.name}` needs the input `{name}`, which the step does not give"
        findings.error(path, message, "give it under `inputs` of the step")
    elif name not in draft.inputs and name not in draft.variables and not draft.supplied:
        findings.need(path, name)


def _at(raw: Any, path: KeyPath) -> dict[str, Any]:
    for part in path:
        raw = raw[part]
    return raw if isinstance(raw, dict) else {}
