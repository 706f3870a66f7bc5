"""The context of a run: what its templates, its results and people see, as plain JSON, and its hash."""

from typing import Any

from elexirion.events.canonical import content_hash
from elexirion.events.envelope import Record, utc_text
from elexirion.events.values import Value
from elexirion.projections.evolve import evolve
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState


def context_of(state: RunState) -> dict[str, Any]:
    """The context at the state's position. `digest` makes its hash cover every accepted record."""
    return {
        "run_id": state.run_id,
        "pipeline_id": state.pipeline_name,
        "config": state.definition_sha256,
        "current_step": state.current_step,
        "inputs": state.inputs,
        "variables": state.variables,
        "step_results": {name: _step_result(step) for name, step in state.steps.items()},
        "start_time": utc_text(state.started_at),
        "status": state.status,
        "result": _value(state.result),
        "metadata": {
            "offline": state.offline,
            "tags": state.tags,
            "previous_run_id": state.previous_run_id,
            "position": state.position,
            "digest": state.digest,
        },
    }


def context_hash(state: RunState) -> str:
    """SHA-256 of the canonical JSON of the context."""
    return content_hash(context_of(state))


def hash_after(state: RunState, terminal: Record) -> str:
    """The hash of the context once `terminal` is accepted; its own `context_hash` does not count."""
    return context_hash(evolve(state, terminal))


def get_variable(state: RunState, name: str) -> Any:
    """A variable's value; raises KeyError naming the run and what there is."""
    if name not in state.variables:
        known = ", ".join(sorted(state.variables)) or "none"
        raise KeyError(f"run {state.run_id} has no variable {name!r} (it has: {known})")
    return state.variables[name]


def get_all_variables(state: RunState) -> dict[str, Any]:
    """All variables, a copy."""
    return dict(state.variables)


def _step_result(step: StepState) -> dict[str, Any]:
    return {
        "type": step.step_type,
        "status": step.status,
        "execution": step.execution_id,
        "result": _value(step.result),
        "text_sha256": step.text_sha256,
        "usage": step.usage.model_dump(),
        "cost_usd": step.cost_usd,
        "model": step.model,
        "stop_reason": step.stop_reason,
        "failure": step.failure.model_dump() if step.failure else None,
        "skip_reason": step.skip_reason,
        **({"carried_from": step.carried_from} if step.carried_from else {}),
    }


def _value(value: Value | None) -> Any:
    return None if value is None else value.model_dump()
