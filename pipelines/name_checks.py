"""Whether every name in templates, conditions and segments can be there when its step is ready."""

from collections.abc import Iterator
from dataclasses import dataclass

from elexirion.pipelines import conditions, templates
from elexirion.pipelines.draft import Draft, Findings
from elexirion.pipelines.graph import ancestors, dependencies_of
from elexirion.pipelines.names import FIELDS, OUTPUTS
from elexirion.pipelines.near import did_you_mean
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.references import Reference
from elexirion.pipelines.rendering import output_sources
from elexirion.pipelines.template_errors import TemplateInvalid
from elexirion.pipelines.uses import ConditionUse, StepUse, TemplateUse, Use, templates_in


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a name is used: the step (None for `output` and handlers of errors) and what is over by then."""

    step: str | None
    over: frozenset[str]
    in_handler: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """All names of one workflow."""

    draft: Draft
    steps: frozenset[str]
    setters: dict[str, frozenset[str]]
    findings: Findings


def check_names(draft: Draft, findings: Findings) -> None:
    """Unknown and later steps, templates and conditions that do not parse; needed inputs are noted."""
    names = [step.name for step in (*draft.steps, *draft.on_error) if step.name is not None]
    known = _Known(draft, frozenset(names), _setters(draft), findings)
    above = ancestors(dependencies_of([(s.name, s.needs) for s in draft.steps if s.name is not None]))
    for step in draft.steps:
        place = _Place(step.name, above.get(step.name or "", frozenset()))
        for use in step.step.uses() if step.step else ():
            _use(use, step.path, place, known)
    for step in draft.on_error:
        for use in step.step.uses() if step.step else ():
            _use(use, step.path, _Place(None, known.steps, in_handler=True), known)
    _workflow_texts(draft, known)
    for name, must_be_given in draft.inputs.items():
        if must_be_given and not draft.supplied:
            findings.need((*draft.prefix, "inputs", name), name)


def _setters(draft: Draft) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for step in draft.steps:
        for variable in step.step.sets() if step.step else ():
            found.setdefault(variable, set()).add(step.step.name if step.step else "")
    return {variable: frozenset(steps) for variable, steps in found.items()}


def _workflow_texts(draft: Draft, known: _Known) -> None:
    anywhere = _Place(None, known.steps)
    for use in templates_in(draft.default_options, (*draft.prefix, "defaults", "claude_options")):
        _use(use, (), anywhere, known)
    path = (*draft.prefix, "output")
    for source in output_sources(draft.output):
        if source in known.steps:
            continue
        is_template = templates.is_template(source)
        for reference in _template(source, path, known, expression=not is_template):
            _reference(reference, path, anywhere, known)


def _use(use: Use, base: KeyPath, place: _Place, known: _Known) -> None:
    path = (*base, *use.path)
    match use:
        case TemplateUse():
            for reference in _template(use.source, path, known, expression=False):
                _reference(reference, path, place, known)
        case ConditionUse():
            for reference in _condition(use, path, known):
                _reference(reference, path, place, known)
        case StepUse():
            _step(use.step, path, place, known)
        case _:
            pass


def _template(source: str, path: KeyPath, known: _Known, *, expression: bool) -> Iterator[Reference]:
    try:
        parsed = templates.parse_expression(source) if expression else templates.parse(source)
    except TemplateInvalid as error:
        known.findings.error(path, error.message, error.hint, error.line)
        return
    yield from parsed.references()


def _condition(use: ConditionUse, path: KeyPath, known: _Known) -> Iterator[Reference]:
    try:
        parsed = conditions.parse(use.condition)
    except TemplateInvalid as error:
        known.findings.error(path, error.message, error.hint, error.line)
        return
    for expression in conditions.expressions(parsed):
        yield from expression.template.references()


def _reference(reference: Reference, path: KeyPath, place: _Place, known: _Known) -> None:
    root, below = str(reference.path[0]), reference.path[1:]
    first = str(below[0]) if below else None
    match root:
        case "steps" | "_outputs" | "_fields":
            if first is not None and not reference.optional:
                _step(first, path, place, known)
        case "inputs":
            if first is not None and first not in known.draft.inputs:
                _need(first, reference, path, known)
        case "variables" | "state":
            if first is not None and first not in known.draft.variables:
                _variable(first, f"{root}.{first}", reference, path, place, known)
        case "global_vars":
            if first is not None and first not in known.draft.global_vars:
                _need(f"{root}.{first}", reference, path, known)
        case "previous_response" | "run" | "workflow" | "timestamp":
            pass
        case _:
            _bare(root, reference, path, place, known)


def _bare(name: str, reference: Reference, path: KeyPath, place: _Place, known: _Known) -> None:
    if name in known.draft.inputs or name in known.draft.variables or (name == "error" and place.in_handler):
        return
    if name in known.setters:
        _variable(name, name, reference, path, place, known)
    elif name in known.steps:
        _step(name, path, place, known)
    else:
        hint = did_you_mean(name, known.steps)
        if hint and len(reference.path) > 1 and not reference.optional:
            known.findings.warning(path, f"`{name}` is no step, so it is taken for an input", hint)
        _need(name, reference, path, known)


def _variable(name: str, needed: str, reference: Reference, path: KeyPath, place: _Place, known: _Known) -> None:
    setters = known.setters.get(name, frozenset())
    if not setters:
        _need(needed, reference, path, known)
    elif not setters & place.over and not reference.optional:
        step = sorted(setters)[0]
        message = f"the variable `{name}` is set by the step `{step}`, which need not be over by then"
        known.findings.error(path, message, "set it in an earlier step, or under `variables`")


def _need(name: str, reference: Reference, path: KeyPath, known: _Known) -> None:
    if not reference.optional and not known.draft.supplied:
        known.findings.need(path, name)


def _step(name: str, path: KeyPath, place: _Place, known: _Known) -> None:
    if name in place.over:
        return
    if name == place.step:
        known.findings.error(path, f"the step `{name}` refers to itself")
    elif name in known.steps:
        message = f"the step `{name}` comes later or need not be over by then"
        known.findings.error(path, message, f"name `{name}` in `needs`, or move it up")
    else:
        hint = did_you_mean(name, known.steps)
        known.findings.error(path, f"the step `{name}` does not exist", hint)


assert (OUTPUTS, FIELDS) == ("_outputs", "_fields"), "the patterns in _reference spell these names out"
