"""Changed copies of a run's state: one step, one execution, what was spent."""

from typing import Any

from elexirion.events.usage import Usage
from elexirion.projections.change import changed
from elexirion.projections.paths import step_at
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState, add_cost


def known_step(state: RunState, path: str) -> StepState:
    """The step at `path`; an accepted record names one that exists."""
    known = step_at(state, path)
    if known is None:
        raise KeyError(f"run {state.run_id} has no step {path}")
    return known


def with_step(state: RunState, path: str, **changes: Any) -> RunState:
    """The state with one step changed; a step inside another is kept from its first change on."""
    return changed(state, steps={**state.steps, path: changed(known_step(state, path), **changes)})


def with_execution(state: RunState, id: str, **changes: Any) -> RunState:
    """The state with one execution changed."""
    return changed(state, executions={**state.executions, id: changed(state.executions[id], **changes)})


def step_of(state: RunState, execution_id: str) -> StepState:
    """The step that an execution is a try of."""
    return state.steps[state.executions[execution_id].step]


def spend(state: RunState, usage: Usage, cost: float | None) -> RunState:
    """The state with more used."""
    return changed(state, usage=state.usage + usage, cost_usd=add_cost(state.cost_usd, cost))


def close_open(state: RunState) -> RunState:
    """The state with no execution open any more."""
    closed = {
        id: changed(execution, closed_by="run_ended") if execution.open else execution
        for id, execution in state.executions.items()
    }
    return changed(state, executions=closed)
