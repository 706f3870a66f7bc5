"""Which sessions of a pipeline other runs carry on as well, who adds to them, and who reads them."""

from collections.abc import Callable, Iterator

from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.session_names import sessions_by_name
from elexirion.pipelines.steps.claude_session import ClaudeSessionStep
from elexirion.pipelines.steps.step import Step
from elexirion.pipelines.templates import is_template
from elexirion.pipelines.uses import SessionUse


def added_to(pipeline: Pipeline) -> dict[str, str]:
    """The shared session that each step adds its turns to, by the name of the step."""
    carrying = (step for step in pipeline.by_name.values() if isinstance(step, ClaudeSessionStep))
    return {step.name: step.session for step in carrying if step.persist}


def may_read(pipeline: Pipeline, step: Step) -> bool:
    """Whether the step may take the history of a shared session."""
    return any(read_by(pipeline, step, lambda name: name)) or any(is_template(name) for name, _ in _taken(step))


def read_by(pipeline: Pipeline, step: Step, rendered: Callable[[str], str]) -> frozenset[str]:
    """The shared sessions whose history the step takes; `rendered` gives the name that a template comes to.

    A session is shared in the whole file where one step of it persists it; a segment may say so of itself.
    """
    taken = [*_taken(step)]
    if not taken:
        return frozenset()
    names, shared = sessions_by_name(pipeline.by_name.values()), frozenset(added_to(pipeline).values())
    meant = [(rendered(name) if is_template(name) else name, says) for name, says in taken]
    return frozenset(names.get(name, name) for name, says in meant if says or names.get(name) in shared)


def _taken(step: Step) -> Iterator[tuple[str, bool]]:
    """Each name by which the step takes a session, and whether it says that others carry it on."""
    if isinstance(step, ClaudeSessionStep):
        yield step.session, step.persist
    for use in step.uses():
        if isinstance(use, SessionUse) and use.session:
            yield use.session, use.persist
