"""What is checked on load beyond the form: names, the graph, nesting, functions and sessions."""

from elexirion.pipelines.draft import Draft, DraftStep, Findings
from elexirion.pipelines.fallback import Misnamed, read_fallback
from elexirion.pipelines.graph import cycle, dependencies_of
from elexirion.pipelines.idle_keys import note_idle_keys
from elexirion.pipelines.name_checks import check_names
from elexirion.pipelines.session_names import check_sessions
from elexirion.pipelines.steps.composite import ItemsStep
from elexirion.pipelines.uses import FunctionUse


def check(draft: Draft, findings: Findings) -> None:
    """All checks of one workflow."""
    _duplicates(draft, findings)
    _needs(draft, findings)
    _nesting(draft.steps, draft, findings)
    _nesting(draft.on_error, draft, findings)
    _functions(draft, findings)
    _fallbacks(draft, findings)
    check_names(draft, findings)
    check_sessions(draft, findings)
    note_idle_keys(draft, findings)


def _duplicates(draft: Draft, findings: Findings) -> None:
    first: dict[str, DraftStep] = {}
    for step in draft.all_steps():
        if step.name is None:
            continue
        if step.name in first:
            line = findings.marks.find((*first[step.name].path, "name")).line
            message = f"the name `{step.name}` is already that of the step at line {line}"
            findings.error((*step.path, "name"), message, "give each step a name of its own")
        first.setdefault(step.name, step)


def _needs(draft: Draft, findings: Findings) -> None:
    everywhere = frozenset(step.name for step in draft.all_steps() if step.name is not None)
    for block in draft.blocks():
        names = [step.name for step in block if step.name is not None]
        for step in block:
            for index, needed in enumerate(step.needs or ()):
                if needed not in names:
                    message, hint = _not_there(needed, names, everywhere, findings)
                    findings.error((*step.path, "needs", index), message, hint)
        _cycle(block, findings)


def _not_there(needed: str, names: list[str], everywhere: frozenset[str], findings: Findings) -> tuple[str, str | None]:
    if needed in everywhere:
        hint = "`needs` names steps of the same block; what is over before the block begins needs no mention"
        return f"`needs` names the step `{needed}`, which stands in another block", hint
    return f"`needs` names the step `{needed}`, which does not exist", findings.near(needed, names)


def _cycle(group: tuple[DraftStep, ...], findings: Findings) -> None:
    named = [(step.name, step.needs) for step in group if step.name is not None]
    circle = cycle(dependencies_of(named))
    if circle is None:
        return
    paths = {step.name: step.path for step in group}
    message = "steps wait for each other: " + " → ".join([*circle, circle[0]])
    findings.error((*paths[circle[0]], "needs"), message, "take one of them out of `needs`")


def _nesting(block: tuple[DraftStep, ...], draft: Draft, findings: Findings, around: int = 0) -> None:
    """Notes the steps that stand too deep, not also what they hold."""
    for step in block:
        if around > draft.most_nested:
            message = f"{around} steps stand around this one, more than {draft.most_nested}"
            findings.error(step.path, message, "`resource_limits.max_nesting_depth` says how many may")
            return
        for inner in step.blocks:
            _nesting(inner.steps, draft, findings, around + 1)


def _functions(draft: Draft, findings: Findings) -> None:
    for step in draft.all_steps():
        for use in step.uses():
            if isinstance(use, FunctionUse) and use.function not in draft.functions:
                message = f"the function `{use.function}` is not declared in `gemini_functions`"
                findings.error((*step.path, *use.path), message, findings.near(use.function, draft.functions))


def _fallbacks(draft: Draft, findings: Findings) -> None:
    for step in draft.all_steps():
        if step.step is None or not step.step.fallback:
            continue
        answers = step.step.item_steps()[0] if isinstance(step.step, ItemsStep) else step.step
        for read in read_fallback(step.step.fallback, answers.lane):
            if isinstance(read, Misnamed):
                findings.error((*step.path, "fallback", read.index), read.message, read.hint)
