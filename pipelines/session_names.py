"""Which conversation a name means, and whether there is one by then."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from elexirion.pipelines.draft import Draft, Findings
from elexirion.pipelines.graph import ancestors, dependencies_of
from elexirion.pipelines.problems import KeyPath
from elexirion.pipelines.steps.claude_session import ClaudeSessionStep
from elexirion.pipelines.steps.composite import CompositeStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.templates import is_template
from elexirion.pipelines.uses import SessionUse


@dataclass(frozen=True, slots=True)
class _Placed:
    """A step with its place in the file, and the step of the workflow in which it stands: itself, or a loop."""

    step: Step
    path: KeyPath
    top: str


def sessions_by_name(steps: Iterable[Step]) -> dict[str, str]:
    """Every name that means a session: those of the sessions, and those of the steps that carry them on."""
    carrying = [step for step in steps if isinstance(step, ClaudeSessionStep)]
    return {step.name: step.session for step in carrying} | {step.session: step.session for step in carrying}


def check_sessions(draft: Draft, findings: Findings) -> None:
    """Sessions that nothing carries on, or only later steps."""
    placed = [*_placed(draft)]
    names = sessions_by_name(one.step for one in placed)
    everything = frozenset(one.top for one in placed)
    above = ancestors(dependencies_of([(s.name, s.needs) for s in draft.steps if s.name is not None]))
    for one in placed:
        inside = one.step.inner_uses() if isinstance(one.step, CompositeStep) else ()
        for use in (*one.step.uses(), *inside):
            if isinstance(use, SessionUse) and not (use.persist or is_template(use.session or "")):
                # Handlers of errors come after everything; the turns of a loop after each other.
                over = above.get(one.top, everything) | {one.top}
                _check(use, (*one.path, *use.path), names, _started(placed, over), findings)


def _check(use: SessionUse, path: KeyPath, names: dict[str, str], started: frozenset[str], findings: Findings) -> None:
    if use.session is None:
        hint = "name a session, or a step of the type `claude_session`"
        findings.error(path, "`session_id` is missing", hint)
    elif use.session not in names:
        hint = findings.near(use.session, names) or "say `persist: true` for a session that only other runs carry on"
        findings.error(path, f"the session `{use.session}` does not exist", hint)
    elif names[use.session] not in started:
        message = f"no step of the session `{use.session}` is over by then"
        findings.error(path, message, "move a step of the session up, or name it in `needs`")


def _started(placed: list[_Placed], over: Iterable[str]) -> frozenset[str]:
    """The sessions that may have a history by then: shared ones, and those of steps that are over."""
    carrying = [(one.top, one.step) for one in placed if isinstance(one.step, ClaudeSessionStep)]
    return frozenset(step.session for top, step in carrying if step.persist or top in over)


def _placed(draft: Draft) -> Iterator[_Placed]:
    for one in (*draft.steps, *draft.on_error):
        if one.step is not None:
            yield from _within(one.step, one.path, one.step.name)


def _within(step: Step, path: KeyPath, top: str) -> Iterator[_Placed]:
    yield _Placed(step, path, top)
    if isinstance(step, CompositeStep):
        for block in step.blocks():
            for index, inner in enumerate(block.steps):
                yield from _within(inner, (*path, *block.path, index), top)
