"""The history of each session, as the log tells it: the turns of its steps that are over."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from elexirion.agents.orchestrator.located import Located, certainly_over, locate
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.events.session import TurnsSaid
from elexirion.events.values import Stored
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.claude_session import ClaudeSessionStep
from elexirion.projections.file_order import places
from elexirion.projections.run_state import RunState

NOTHING: Mapping[str, Sequence[TurnsSaid]] = MappingProxyType({})


async def histories(
    state: RunState, pipeline: Pipeline, asking: Located, views: StepViews,
    shared: Mapping[str, Sequence[TurnsSaid]] = NOTHING,
) -> dict[str, list[dict[str, str]]]:  # fmt: skip
    """Turns by session, oldest first, of the steps that are certainly over when the step that asks starts.

    Their order is that of the file, so that branches at the same time never tell a history by who was faster. Of the
    `shared` sessions it is that of their log; what this run said and is not in there comes last.
    """
    told = {session: await _turns_of(said, views) for session, said in shared.items()}
    there = {one.execution_id for said in shared.values() for one in said}
    carrying = {step.name: step.session for step in pipeline.by_name.values() if isinstance(step, ClaudeSessionStep)}
    if not carrying:
        return told
    said = [path for path, known in state.steps.items() if known.said is not None and _name(path) in carrying]
    own = [path for path in said if _made_by(state, path) not in there]
    over = [path for path in own if certainly_over(locate(pipeline, path), asking)]
    for path in sorted(over, key=places(state.definition)):
        told.setdefault(carrying[_name(path)], []).extend(await views.value(state.steps[path].said))
    return told


def _made_by(state: RunState, path: str) -> str | None:
    known = state.steps[path]
    return known.execution_id or known.carried_from


async def _turns_of(said: Sequence[TurnsSaid], views: StepViews) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for one in said:
        if isinstance(one.turns, Stored):
            turns += await views.value(one.turns)
        else:
            turns += [turn.model_dump() for turn in one.turns]
    return turns


def _name(path: str) -> str:
    return path.rpartition("/")[2]
