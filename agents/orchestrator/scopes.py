"""What the templates of a step see: results before it and around it, the item of each loop, variables, sessions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from elexirion.agents.orchestrator.located import BlockPlace, Frame, Located
from elexirion.agents.orchestrator.session_history import histories
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.events.envelope import utc_now, utc_text
from elexirion.pipelines.graph import dependencies_of
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, LoopStep, RepeatStep
from elexirion.pipelines.steps.step import Step
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Inside


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
    last = index if ended else index - 1
    if last < 0 or (isinstance(loop.step, LoopStep) and not ended):
        return scope
    inner: dict[str, StepView] = {}
    await _add(inner, state, BlockPlace(loop.step.blocks()[0].steps, f"{loop.path}/{last}/"), views)
    variables = {**scope.variables, **_of_turn(state, f"{loop.path}/{last}/")}
    return replace(scope, steps={**scope.steps, **inner}, variables=variables)


async def output_scope(state: RunState, pipeline: Pipeline, views: StepViews) -> Scope:
    """All names once every step is over."""
    steps: dict[str, StepView] = {}
    await _add(steps, state, BlockPlace(pipeline.steps, ""), views)
    return await _base(state, pipeline, steps, tuple(step.name for step in pipeline.steps))


async def _scope(
    state: RunState, pipeline: Pipeline, located: Located, views: StepViews, frames: tuple[Frame, ...]
) -> Scope:
    steps: dict[str, StepView] = {}
    for block, frame in zip(located.blocks, (None, *located.frames), strict=False):
        if frame is not None and isinstance(frame.step, RepeatStep) and frame.index:
            before = BlockPlace(block.steps, f"{frame.path}/{frame.index - 1}/")
            await _add(steps, state, before, views)
        await _add(steps, state, block, views)
    scope = await _base(state, pipeline, steps, _before(located))
    scope = replace(scope, sessions=await histories(state, pipeline, located.top, views))
    return await _with_loops(scope, state, frames, views)


async def _base(state: RunState, pipeline: Pipeline, steps: dict[str, StepView], before: tuple[str, ...]) -> Scope:
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
    parts = [frame.step.name for frame in located.frames] + [located.step.name]
    for block, name in zip(located.blocks, parts, strict=False):
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
        steps[step.name] = view


def _left_behind(step: Step, path: str, inside: Inside | None) -> list[BlockPlace]:
    if inside is None or not isinstance(step, CompositeStep):
        return []
    if isinstance(step, BranchStep):
        return [BlockPlace(block.steps, f"{path}/") for block in step.blocks() if block.key == inside.branch]
    ran = [index for index, because in inside.turns.items() if because != "skipped"]
    return [BlockPlace(block.steps, f"{path}/{max(ran)}/") for block in step.blocks()] if ran else []


async def _with_loops(scope: Scope, state: RunState, frames: tuple[Frame, ...], views: StepViews) -> Scope:
    """The scope inside of loops and items: each has its item and its place; variables of a turn hold in it."""
    for frame in frames:
        if frame.index is None:
            continue
        scope = await _in_loop(scope, state, frame, frame.index, views)
    return scope


async def _in_loop(scope: Scope, state: RunState, frame: Frame, index: int, views: StepViews) -> Scope:
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
    variables = {**scope.variables, **_of_turn(state, f"{frame.path}/{index}/")}
    repeats = isinstance(frame.step, RepeatStep)
    kept = (scope.iterator, scope.item) if repeats else (iterator, item)
    return replace(
        scope, loop=loop, iterator=kept[0], item=kept[1], outer=scope.outer if repeats else outer, variables=variables
    )


def _of_turn(state: RunState, prefix: str) -> Mapping[str, Any]:
    """Variables that hold in one turn only: set there, and by no record for the whole run."""
    values: dict[str, Any] = {}
    for path, known in state.steps.items():
        if path.startswith(prefix) and known.step_type == "set_variable" and path not in state.assigned:
            values.update(getattr(known.result, "value", None) or {})
    return values
