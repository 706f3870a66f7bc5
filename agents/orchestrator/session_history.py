"""The history of each session, as the log tells it: the turns of its steps that are over."""

from collections.abc import Callable

from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.pipelines.graph import ancestors, dependencies, order
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.claude_session import ClaudeSessionStep
from elexirion.projections.run_state import RunState


async def histories(state: RunState, pipeline: Pipeline, top: str, views: StepViews) -> dict[str, list[dict[str, str]]]:
    """Turns by session, oldest first, of the steps that are certainly over when the step `top` starts, or inside it.

    Their order is that of the file, so that branches at the same time never tell a history by who was faster.
    """
    carrying = {step.name: step.session for step in pipeline.by_name.values() if isinstance(step, ClaudeSessionStep)}
    if not carrying:
        return {}
    over = ancestors(dependencies(pipeline)).get(top, frozenset(state.steps)) | {top}
    told: dict[str, list[dict[str, str]]] = {}
    for path in sorted(state.steps, key=_place(order(pipeline))):
        known, name = state.steps[path], path.rpartition("/")[2]
        if known.said is not None and path.partition("/")[0] in over and name in carrying:
            told.setdefault(carrying[name], []).extend(await views.value(known.said))
    return told


def _place(names: tuple[str, ...]) -> Callable[[str], tuple[int, tuple[int, ...]]]:
    ranks = {name: rank for rank, name in enumerate(names)}

    def place(path: str) -> tuple[int, tuple[int, ...]]:
        top, *inner = path.split("/")
        return ranks.get(top, len(ranks)), tuple(int(part) for part in inner if part.isdigit())

    return place
