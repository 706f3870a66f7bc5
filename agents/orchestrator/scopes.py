"""What the templates of a step see: results before it and around it, the item of each loop, variables, sessions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from elexirion.agents.orchestrator.joining import turns_that_count
from elexirion.agents.orchestrator.located import BlockPlace, Frame, Located
from elexirion.agents.orchestrator.session_history import histories
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.events.envelope import utc_now, utc_text
from elexirion.pipelines.graph import dependencies_of
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, LoopStep, RepeatStep, nested
from elexirion.pipelines.steps.set_variable import SetVariableStep
from elexirion.pipelines.steps.step import Step
from elexirion.projections.file_order import places
from elexirion.projections.paths import turn_around
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Inside

NOT_RUN = StepView.of(None, status="skipped")


async def scope_of(state: RunState, pipeline: Pipeline, located: Located, views: StepViews) -> Scope:
    """All names of the step at a place."""
    return await _scope(state, pipeline, located, views, located.frames)


async def scope_of_turn(
    state: RunState, pipeline: Pipeline, loop: Located, index: int, views: StepViews, *, ended: bool
) -> Scope:
    """All names of a loop's own condition: about a turn to come, or with `ended` about one that is over."""
    assert isinstance(loop.step, CompositeStep)
    frame = Frame(loop.step, loop.path, index)
    scope = await _scope(state, pipeline, loop, views, (*loop.frames, frame))
    last = index if ended else _turn_before(state, loop, index)
    if last is None:
        return scope
    inner: dict[str, StepView] = {}
    await _add(inner, state, BlockPlace(loop.step.blocks()[0].steps, f"{loop.path}/{last}/"), views)
    variables = {**scope.variables, **_of_turn(state, pipeline, f"{loop.path}/{last}")}
    return replace(scope, steps={**scope.steps, **inner}, variables=variables)


def _turn_before(state: RunState, loop: Located, index: int) -> int | None:
    """The last turn that ran, where all turns before this one are over; a skipped one left nothing to see."""
    inside = state.steps[loop.path].inside
    if inside is None or (isinstance(loop.step, LoopStep) and loop.step.most_in_flight() > 1):
        return None
    ran = (turn for turn, because in inside.turns.items() if turn < index and because != "skipped")
    return max(ran, default=None)


async def output_scope(state: RunState, pipeline: Pipeline, views: StepViews) -> Scope:
    """All names once every step is over."""
    steps: dict[str, StepView] = {}
    await _add(steps, state, BlockPlace(pipeline.steps, ""), views)
    return await _base(state, pipeline, steps, tuple(step.name for step in pipeline.steps), {})


async def _scope(
    state: RunState, pipeline: Pipeline, located: Located, views: StepViews, frames: tuple[Frame, ...]
) -> Scope:
    steps: dict[str, StepView] = {}
    if located.handles_error:
        await _add(steps, state, BlockPlace(pipeline.steps, ""), views)
    for block, frame in zip(located.blocks, (None, *located.frames), strict=False):
        if frame is not None and isinstance(frame.step, RepeatStep) and frame.index:
            before = BlockPlace(block.steps, f"{frame.path}/{frame.index - 1}/")
            await _add(steps, state, before, views)
        await _add(steps, state, block, views)
    sessions = await histories(state, pipeline, located, views)
    scope = await _base(state, pipeline, steps, _before(located), sessions)
    for frame in frames:
        if frame.index is not None:
            scope = await _in_loop(scope, state, pipeline, frame, frame.index, views)
    return scope


async def _base(
    state: RunState, pipeline: Pipeline, steps: dict[str, StepView], before: tuple[str, ...],
    sessions: dict[str, list[dict[str, str]]],
) -> Scope:  # fmt: skip
    # What came before is a matter of the file, never of the order in which results arrived.
    previous = [steps[name].result for name in before if name in steps and steps[name].success]
    fields = {
        field: view.result
        for name, view in steps.items()
        if name in pipeline.by_name and view.success
        for field in pipeline.by_name[name].output_fields()
    }
    return Scope(
        inputs=state.inputs, variables={**pipeline.global_vars, **pipeline.variables, **state.variables},
        global_vars=pipeline.global_vars, steps=steps, run_id=state.run_id, workflow_name=pipeline.name,
        timestamp=utc_text(state.started_at), now=utc_text(utc_now()),
        previous_response=previous[-1] if previous else None, error=_error(state), output_fields=fields,
        sessions=sessions,
    )  # fmt: skip


def _error(state: RunState) -> dict[str, Any] | None:
    """What the steps of `on_error` know of the failure."""
    if state.failing is None:
        return None
    failure = state.failing.failure
    return {"kind": failure.kind, "message": failure.message, "step": state.failing.step}


def _before(located: Located) -> tuple[str, ...]:
    """Names that `previous_response` may mean, the nearest last: those the step needs, else its step around needs."""
    names: list[str] = []
    for block, name in zip(located.blocks, located.names, strict=False):
        names += dependencies_of([(step.name, step.needs) for step in block.steps]).get(name, ())
    return tuple(names)


async def _add(steps: dict[str, StepView], state: RunState, block: BlockPlace, views: StepViews) -> None:
    """The steps of a block that are over, and what those with steps inside left behind."""
    for step in block.steps:
        path = block.prefix + step.name
        view = await views.view(state, path)
        if view is None:
            continue
        for left in _left_behind(step, path, state.steps[path].inside):
            await _add(steps, state, left, views)
        for inner in nested([step]):  # in a branch that was not taken, a loop that was skipped
            steps.setdefault(inner.name, NOT_RUN)
        steps[step.name] = view


def _left_behind(step: Step, path: str, inside: Inside | None) -> list[BlockPlace]:
    if inside is None or not isinstance(step, CompositeStep):
        return []
    if isinstance(step, BranchStep):
        return [BlockPlace(block.steps, f"{path}/") for block in step.blocks() if block.key == inside.branch]
    ran = [index for index in turns_that_count(inside) if inside.turns[index] != "skipped"]
    return [BlockPlace(block.steps, f"{path}/{max(ran)}/") for block in step.blocks()] if ran else []


async def _in_loop(
    scope: Scope, state: RunState, pipeline: Pipeline, frame: Frame, index: int, views: StepViews
) -> Scope:
    """The scope inside of a loop or an item: its item and its place; variables of a turn hold in it."""
    inside = state.steps[frame.path].inside
    items = await views.value(inside.items) if inside else None
    said = items[index] if isinstance(items, list) and index < len(items) else None
    item = said if isinstance(frame.step, LoopStep) or not isinstance(said, dict) else said.get("item")
    count = inside.count if inside else None
    loop = {
        "item": item, "index": index, "first": index == 0, "last": count is not None and index == count - 1,
        "length": count, "parent": scope.loop,
    }  # fmt: skip
    outer = {**scope.outer, scope.iterator: scope.item} if scope.iterator else scope.outer
    iterator = frame.step.iterator_name() if isinstance(frame.step, LoopStep) else None
    variables = {**scope.variables, **_of_turn(state, pipeline, f"{frame.path}/{index}")}
    repeats = isinstance(frame.step, RepeatStep)
    kept = (scope.iterator, scope.item) if repeats else (iterator, item)
    return replace(
        scope, loop=loop, iterator=kept[0], item=kept[1], outer=scope.outer if repeats else outer, variables=variables
    )


def _of_turn(state: RunState, pipeline: Pipeline, turn: str) -> Mapping[str, Any]:
    """Variables that hold in this turn only, and not those of a turn within it."""
    names = {
        step.name for step in pipeline.by_name.values() if isinstance(step, SetVariableStep) and step.scope == "loop"
    }
    inside = [path for path in state.steps if path.startswith(f"{turn}/")] if names else []
    set_here = [path for path in inside if path.rpartition("/")[2] in names and turn_around(state, path) == turn]
    values: dict[str, Any] = {}
    for path in sorted(set_here, key=places(state.definition)):
        values.update(getattr(state.steps[path].result, "value", None) or {})
    return values


def names_of_file(pipeline: Pipeline) -> tuple[str, ...]:
    """Names that a condition may use though their step never ran: it stands in another branch, or failed."""
    steps = pipeline.by_name.values()
    return tuple(name for step in steps for name in (step.name, *step.sets(), *step.output_fields()))
