"""Whether every name in templates, conditions and segments can be there when its step is ready."""

from collections.abc import Iterable, Iterator

from elexirion.pipelines import conditions, templates
from elexirion.pipelines.draft import Draft, Findings
from elexirion.pipelines.names import FIELDS, OUTPUTS
from elexirion.pipelines.places import Known, Place, known_names, places
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.references import Reference
from elexirion.pipelines.rendering import output_sources
from elexirion.pipelines.template_errors import TemplateInvalid
from elexirion.pipelines.uses import ConditionUse, ExpressionUse, StepUse, TemplateUse, Use, templates_in


def check_names(draft: Draft, findings: Findings) -> None:
    """Unknown and later steps, templates and conditions that do not parse; needed inputs are noted."""
    known = known_names(draft, findings)
    for use, path, place in places(draft):
        _use(use, path, place, known)
    _workflow_texts(draft, known)
    for name, must_be_given in draft.inputs.items():
        if must_be_given and not draft.supplied:
            findings.need((*draft.prefix, "inputs", name), name)


def references_of(path: KeyPath, source: str, findings: Findings, *, expression: bool) -> Iterator[Reference]:
    """The names that a template or an expression at `path` uses; notes an error where it does not parse."""
    try:
        parsed = templates.parse_expression(source) if expression else templates.parse(source)
    except TemplateInvalid as error:
        findings.error(path, error.message, error.hint, error.line)
        return
    yield from parsed.references()


def _workflow_texts(draft: Draft, known: Known) -> None:
    anywhere = known.anywhere()
    for use in templates_in(draft.default_options, (*draft.prefix, "defaults", "claude_options")):
        _use(use, use.path, anywhere, known)
    path = (*draft.prefix, "output")
    for where, source in (*((path, source) for source in output_sources(draft.output)), *draft.wanted):
        if source not in known.steps:
            expression = not templates.is_template(source)
            _references(references_of(where, source, known.findings, expression=expression), where, anywhere, known)


def _use(use: Use, path: KeyPath, place: Place, known: Known) -> None:
    match use:
        case TemplateUse(source=source):
            _references(references_of(path, source, known.findings, expression=False), path, place, known)
        case ExpressionUse(source=source):
            _references(references_of(path, source, known.findings, expression=True), path, place, known)
        case ConditionUse():
            _references(_of_condition(use, path, known), path, place, known)
        case StepUse():
            _output(use.step, path, place, known)
        case _:
            pass


def _of_condition(use: ConditionUse, path: KeyPath, known: Known) -> Iterator[Reference]:
    try:
        parsed = conditions.parse(use.condition)
    except TemplateInvalid as error:
        known.findings.error(path, error.message, error.hint, error.line)
        return
    for expression in conditions.expressions(parsed):
        yield from expression.template.references()


def _references(references: Iterable[Reference], path: KeyPath, place: Place, known: Known) -> None:
    for reference in references:
        if str(reference.path[0]) not in place.local_names:
            _reference(reference, path, place, known)


def _reference(reference: Reference, path: KeyPath, place: Place, known: Known) -> None:
    root, below = str(reference.path[0]), reference.path[1:]
    first = str(below[0]) if below else None
    match root:
        case "steps" if first is not None and not reference.optional:
            _step(first, path, place, known)
        case "_outputs" | "_fields" if first is not None and not reference.optional:
            _output(first, path, place, known)
        case "inputs":
            if first is not None and first not in known.draft.inputs:
                _need(first, reference, path, known)
        case "variables" | "state":
            if first is not None and first not in known.draft.variables:
                _variable(first, f"{root}.{first}", reference, path, place, known)
        case "global_vars":
            if first is not None and first not in known.draft.global_vars:
                _need(f"{root}.{first}", reference, path, known)
        case "previous_response" | "run" | "workflow" | "timestamp" | "steps" | "_outputs" | "_fields":
            pass
        case _:
            _bare(root, reference, path, place, known)


def _bare(name: str, reference: Reference, path: KeyPath, place: Place, known: Known) -> None:
    if name in known.draft.inputs or name in known.draft.variables:
        return
    if name in known.setters:
        _variable(name, name, reference, path, place, known)
    elif name in known.steps:
        _step(name, path, place, known)
    else:
        hint = known.findings.near(name, known.steps)
        if hint and len(reference.path) > 1 and not reference.optional:
            known.findings.warning(path, f"`{name}` is no step, so it is taken for an input", hint)
        _need(name, reference, path, known)


def _variable(name: str, needed: str, reference: Reference, path: KeyPath, place: Place, known: Known) -> None:
    setters = known.setters.get(name, ())
    if not setters:
        _need(needed, reference, path, known)
    elif not reference.optional and not any(place.sees_variable_of(setter) for setter in setters):
        step = min(setter.step for setter in setters)
        ended = any(place.sees(setter.step) for setter in setters)
        why = "holds within its loop only" if ended else "need not be over by then"
        message = f"the variable `{name}` is set by the step `{step}`, which {why}"
        known.findings.error(path, message, "set it in an earlier step, or under `variables`")


def _need(name: str, reference: Reference, path: KeyPath, known: Known) -> None:
    if not reference.optional and not known.draft.supplied:
        known.findings.need(path, name)


def _output(name: str, path: KeyPath, place: Place, known: Known) -> None:
    """The name of a step, or an `output_field` of one."""
    givers = known.fields.get(name)
    if name in known.steps or givers is None:
        _step(name, path, place, known)
    elif not any(place.sees(giver) for giver in givers):
        message = f"the output field `{name}` is that of the step `{min(givers)}`, which need not be over by then"
        known.findings.error(path, message, f"name `{min(givers)}` in `needs`, or move it up")


def _step(name: str, path: KeyPath, place: Place, known: Known) -> None:
    if place.sees(name):
        return
    if name == place.step:
        known.findings.error(path, f"the step `{name}` refers to itself")
    elif name in place.around:
        known.findings.error(path, f"the step `{name}` holds this one, so it is not over by then")
    elif name in known.steps:
        message = f"the step `{name}` comes later or need not be over by then"
        known.findings.error(path, message, f"name `{name}` in `needs`, or move it up")
    else:
        hint = known.findings.near(name, [*known.steps, *known.fields])
        known.findings.error(path, f"the step `{name}` does not exist", hint)


assert (OUTPUTS, FIELDS) == ("_outputs", "_fields"), "the patterns in _reference spell these names out"
