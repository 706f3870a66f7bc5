"""What records about steps that run nowhere themselves change: loops, batches, branches, timers, child runs."""

from collections.abc import Callable, Mapping
from typing import Any

from elexirion.events import run, step
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.usage import NO_USAGE
from elexirion.projections.change import changed
from elexirion.projections.changes import known_step, leave, spend, with_entry, with_step
from elexirion.projections.paths import below
from elexirion.projections.run_state import Child, RunState, Successor
from elexirion.projections.shared_turns import after_signal
from elexirion.projections.step_state import Inside, StepState, add_cost


def _expanded(state: RunState, data: step.StepExpanded, record: Record) -> RunState:
    inside = Inside(data.shape, data.children, data.items, data.count, data.branch)
    state = changed(state, current_step=data.step)
    return with_step(state, data.step, status="expanded", inside=inside, started_at=record.at)


def _inside(state: RunState, path: str) -> Inside:
    inside = known_step(state, path).inside
    assert inside is not None
    return inside


def _turn_started(state: RunState, data: step.IterationStarted, record: Record) -> RunState:
    inside = _inside(state, data.step)
    return with_step(state, data.step, inside=changed(inside, turns=with_entry(inside.turns, data.index, None)))


def _turn_ended(state: RunState, data: step.IterationEnded, record: Record) -> RunState:
    inside = _inside(state, data.step)
    failures = with_entry(inside.failures, data.index, data.failure) if data.failure else inside.failures
    turns = with_entry(inside.turns, data.index, data.ended_because)
    state = with_step(state, data.step, inside=changed(inside, turns=turns, failures=failures))
    return leave(state, data)


def _concluded(state: RunState, data: step.StepConcluded, record: Record) -> RunState:
    known = known_step(state, data.step)
    state = with_step(
        state, data.step, status="completed", result=data.result, ended_because=data.ended_because, due_at=None,
        ended_at=record.at, duration_s=_seconds(known, record), **_spent_inside(state, known),
    )  # fmt: skip
    return leave(changed(state, last_completed=data.step), data)


def _seconds(known: StepState, record: Record) -> float:
    return max(0.0, (record.at - known.started_at).total_seconds()) if known.started_at else 0.0


def _spent_inside(state: RunState, known: StepState) -> dict[str, Any]:
    usage, cost = NO_USAGE, known.cost_usd
    for inner in below(state, known.name):
        if inner.inside is None:  # what a step with others inside used is counted with those
            usage, cost = usage + inner.usage, add_cost(cost, inner.cost_usd)
    return {"usage": known.usage + usage, "cost_usd": cost}


def _timer(state: RunState, data: run.TimerSet, record: Record) -> RunState:
    state = changed(state, current_step=data.step)
    return with_step(state, data.step, status="timed", due_at=data.due_at, started_at=record.at)


def _asked(state: RunState, data: run.ApprovalRequested, record: Record) -> RunState:
    state = changed(state, current_step=data.step)
    return with_step(state, data.step, status="asked", due_at=data.due_at, started_at=record.at)


def _signalled(state: RunState, data: run.SignalReceived, record: Record) -> RunState:
    if data.step is None:
        return changed(state, shared_turns=after_signal(state.shared_turns, data))
    return with_step(state, data.step, answer=data.name, answer_value=_said_along(data.value))


def _said_along(value: Any) -> Any:
    """What an answer brings, without the name of the step that it is for."""
    if not isinstance(value, dict):
        return value
    return {key: entry for key, entry in value.items() if key != "step"} or None


def _child_started(state: RunState, data: run.ChildRunStarted, record: Record) -> RunState:
    if data.relation == "then":
        return changed(state, successor=Successor(data.child_run_id, data.command_id, data.inputs))
    assert data.step is not None
    assert data.pipeline is not None
    child = Child(
        data.child_run_id, data.command_id, data.step, data.pipeline, data.source, data.inputs, data.due_at,
        seq=state.seq + 1,
    )  # fmt: skip
    state = changed(state, children=with_entry(state.children, data.step, child), current_step=data.step)
    return with_step(
        state, data.step, status="child", child_run_id=data.child_run_id, due_at=data.due_at, started_at=record.at
    )


def _child_ended(state: RunState, data: run.ChildRunEnded, record: Record) -> RunState:
    if state.schedule is not None:
        return changed(state, schedule=state.schedule.after_end(data.step))
    known = known_step(state, data.step)
    left = {step: child for step, child in state.children.items() if step != data.step}
    state = spend(changed(state, children=left), data.usage, data.cost_usd)
    spent = {"usage": known.usage + data.usage, "cost_usd": add_cost(known.cost_usd, data.cost_usd)}
    over = {"ended_at": record.at, "due_at": None, "duration_s": _seconds(known, record), **spent}
    if data.status == "completed":
        state = with_step(state, data.step, status="completed", result=data.result, failure=None, **over)
        return changed(state, last_completed=data.step)
    failure = data.failure or Failure(kind="step_error", message=f"the child run {data.child_run_id} {data.status}")
    return with_step(state, data.step, status="failed", failure=failure, failures=known.failures + 1, **over)


CHANGES: Mapping[type, Callable[[RunState, Any, Record], RunState]] = {
    step.StepExpanded: _expanded,
    step.IterationStarted: _turn_started,
    step.IterationEnded: _turn_ended,
    step.StepConcluded: _concluded,
    run.TimerSet: _timer,
    run.ApprovalRequested: _asked,
    run.SignalReceived: _signalled,
    run.ChildRunStarted: _child_started,
    run.ChildRunEnded: _child_ended,
}
