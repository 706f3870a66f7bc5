"""What is checked on load beyond the form: names, the graph, functions, and what this version cannot run."""

from collections.abc import Iterator

from elexirion.pipelines.draft import Draft, DraftStep, Findings
from elexirion.pipelines.graph import cycle, dependencies_of
from elexirion.pipelines.name_checks import check_names
from elexirion.pipelines.near import did_you_mean
from elexirion.pipelines.uses import FunctionUse, Unsupported


def check(draft: Draft, findings: Findings) -> None:
    """All checks of one workflow."""
    _duplicates(draft, findings)
    _needs(draft, findings)
    _functions(draft, findings)
    check_names(draft, findings)


def _duplicates(draft: Draft, findings: Findings) -> None:
    first: dict[str, DraftStep] = {}
    for step in (*draft.steps, *draft.on_error):
        if step.name is None:
            continue
        if step.name in first:
            line = findings.marks.find((*first[step.name].path, "name")).line
            message = f"the name `{step.name}` is already that of the step at line {line}"
            findings.error((*step.path, "name"), message, "give each step a name of its own")
        first.setdefault(step.name, step)


def _needs(draft: Draft, findings: Findings) -> None:
    for group in (draft.steps, draft.on_error):
        names = [step.name for step in group if step.name is not None]
        for step in group:
            for index, needed in enumerate(step.needs or ()):
                if needed not in names:
                    message = f"`needs` names the step `{needed}`, which does not exist"
                    findings.error((*step.path, "needs", index), message, did_you_mean(needed, names))
        _cycle(group, findings)


def _cycle(group: tuple[DraftStep, ...], findings: Findings) -> None:
    named = [(step.name, step.needs) for step in group if step.name is not None]
    circle = cycle(dependencies_of(named))
    if circle is None:
        return
    paths = {step.name: step.path for step in group}
    message = "steps wait for each other: " + " → ".join([*circle, circle[0]])
    findings.error((*paths[circle[0]], "needs"), message, "take one of them out of `needs`")


def _functions(draft: Draft, findings: Findings) -> None:
    for step in _read_steps(draft):
        assert step.step is not None
        for use in step.step.uses():
            match use:
                case FunctionUse(path, function) if function not in draft.functions:
                    message = f"the function `{function}` is not declared in `gemini_functions`"
                    findings.error((*step.path, *path), message, did_you_mean(function, draft.functions))
                case Unsupported(path, message):
                    findings.error((*step.path, *path), message)
                case _:
                    pass


def _read_steps(draft: Draft) -> Iterator[DraftStep]:
    return (step for step in (*draft.steps, *draft.on_error) if step.step is not None)
