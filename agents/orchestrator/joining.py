"""The result of a step with steps inside, from how each of its parts ended."""

from typing import Any, Literal

from elexirion.agents.orchestrator.located import Located
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.pipelines.steps.composite import BranchStep, CompositeStep, ItemsStep, LoopStep, Part, RepeatStep
from elexirion.pipelines.steps.step import Step
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Inside, StepState, add_cost


async def joined(state: RunState, located: Located, ended_because: str, views: StepViews) -> Any:
    """What later steps see as the result of the step at a place."""
    inside, step = state.steps[located.path].inside, located.step
    assert inside is not None
    match step:
        case ItemsStep():
            return step.joined(await _items(state, located.path, inside, views))
        case LoopStep():
            return step.joined(await _turns(state, located.path, step, inside, views), ended_because)
        case RepeatStep():
            return step.joined(await _turns(state, located.path, step, inside, views), ended_because)
        case BranchStep():
            return step.joined(inside.branch, await _branch(state, located.path, step, inside, views))
        case _:
            raise TypeError(f"step {located.path} holds no steps")


async def _items(state: RunState, path: str, inside: Inside, views: StepViews) -> list[Part]:
    items = await views.value(inside.items)
    return [await _item(state.steps.get(f"{path}/{index}"), index, str(item["id"]), views)
            for index, item in enumerate(items)]  # fmt: skip


async def _item(known: StepState | None, index: int, key: str, views: StepViews) -> Part:
    if known is None or known.status not in ("completed", "skipped"):
        error = known.failure.message if known and known.failure else "it did not run"
        spent = _spent([known]) if known else {}
        return Part(index, key, "failed", error=error, **spent)
    status: Literal["completed", "skipped"] = "completed" if known.status == "completed" else "skipped"
    return Part(index, key, status, await views.value(known.result), known.skip_reason, **_spent([known]))


async def _turns(state: RunState, path: str, step: CompositeStep, inside: Inside, views: StepViews) -> list[Part]:
    return [await _turn(state, path, step, inside, index, views) for index in turns_that_count(inside)]


def turns_that_count(inside: Inside) -> list[int]:
    """All turns up to the first that broke the loop off: which others had begun by then is a matter of speed."""
    turns = sorted(inside.turns)
    broke = next((index for index in turns if inside.turns[index] == "break"), None)
    return turns if broke is None else turns[: broke + 1]


async def _turn(state: RunState, path: str, step: CompositeStep, inside: Inside, index: int, views: StepViews) -> Part:
    because, failure = inside.turns[index], inside.failures.get(index)
    if because == "skipped":
        return Part(index, str(index), "skipped")
    known = _block(state, step.blocks()[0].steps, f"{path}/{index}/")
    results = {name: await views.value(one.result) for name, one in known.items() if one.status == "completed"}
    last = list(results.values())[-1] if results else None
    error = failure.message if failure else None
    spent = _spent(list(known.values()))
    return Part(index, str(index), "failed" if because == "failed" else "completed", last, error, results, **spent)


async def _branch(state: RunState, path: str, step: CompositeStep, inside: Inside, views: StepViews) -> Part | None:
    block = next((block for block in step.blocks() if block.key == inside.branch), None)
    if block is None:
        return None
    known = _block(state, block.steps, f"{path}/")
    results = {name: await views.value(one.result) for name, one in known.items() if one.status == "completed"}
    last = list(results.values())[-1] if results else None
    return Part(0, block.key, "completed", last, None, results, **_spent(list(known.values())))


def _block(state: RunState, steps: tuple[Step, ...], prefix: str) -> dict[str, StepState]:
    """The steps of a block that something happened to, in the order of the file."""
    paths = {step.name: prefix + step.name for step in steps}
    return {name: state.steps[path] for name, path in paths.items() if path in state.steps}


def _spent(known: list[StepState]) -> dict[str, Any]:
    usage: dict[str, int] = {}
    cost: float | None = 0.0
    for one in known:
        for unit, count in one.usage.model_dump().items():
            usage[unit] = usage.get(unit, 0) + count
        cost = add_cost(cost, one.cost_usd)
    return {"usage": usage, "cost_usd": cost}
