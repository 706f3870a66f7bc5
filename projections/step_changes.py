"""What records about a step's executions change: decisions about them, and the reports of workers."""

from collections.abc import Callable, Mapping
from typing import Any

from elexirion.events import provider, run, step
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.values import Inline
from elexirion.projections.change import changed
from elexirion.projections.changes import (
    known_step,
    leave,
    leave_children,
    spend,
    step_of,
    with_entry,
    with_execution,
    with_step,
)
from elexirion.projections.paths import turn_around
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import ClosedBy, Execution, add_cost
from elexirion.projections.variables import with_variables

CRASH_WITHIN_S = 5.0
"""A worker that died by itself this soon after it started a step may have been killed by the step."""


def _scheduled(state: RunState, data: step.StepScheduled, record: Record) -> RunState:
    opened = Execution(
        id=data.execution_id, step=data.step, incarnation=data.incarnation, lane=data.lane,
        attempt=data.attempt, timeout_s=data.timeout_s, scheduled_at=record.at, fallback=data.fallback,
        allowance=data.allowance,
    )  # fmt: skip
    known = known_step(state, data.step)
    state = changed(
        state, executions=with_entry(state.executions, opened.id, opened), current_step=data.step,
        opened=with_entry(state.opened, opened.id, ()), begun=state.begun + (known.scheduled == 0),
    )  # fmt: skip
    return with_step(
        state, data.step, status="open", scheduled=known.scheduled + 1,
        execution_id=data.execution_id, input=data.input, input_hash=data.input_hash,
        output_file=data.output_file, prompt_files=data.prompt_files, due_at=None, started_at=record.at,
    )  # fmt: skip


def _started(state: RunState, data: step.StepStarted, record: Record) -> RunState:
    if state.executions[data.execution_id].started_at:
        return state  # said again: its time runs from the first
    return with_execution(state, data.execution_id, started_at=record.at)


def _requested(state: RunState, data: provider.ProviderRequested, record: Record) -> RunState:
    return with_execution(state, data.execution_id, calls=state.executions[data.execution_id].calls + 1)


def _responded(state: RunState, data: provider.ProviderResponded, record: Record) -> RunState:
    before = state.executions[data.execution_id]
    usage, cost = before.usage + data.usage, add_cost(before.cost_usd, data.cost_usd)
    return with_execution(state, data.execution_id, usage=usage, cost_usd=cost)


def _unreported(state: RunState, execution_id: str) -> RunState:
    """What the answered calls of an execution used counts, also where it never says how it ended."""
    spent, known = state.executions[execution_id], step_of(state, execution_id)
    state = with_step(
        state, known.name, usage=known.usage + spent.usage, cost_usd=add_cost(known.cost_usd, spent.cost_usd)
    )
    return spend(state, spent.usage, spent.cost_usd)


def _completed(state: RunState, data: step.StepCompleted, record: Record) -> RunState:
    before = step_of(state, data.execution_id)
    state = with_execution(state, data.execution_id, closed_by="completed")
    state = with_step(
        state, before.name, status="completed", result=data.result, text_sha256=data.text_sha256,
        chunks=data.chunks, usage=before.usage + data.usage, cost_usd=add_cost(before.cost_usd, data.cost_usd),
        model=data.model, stop_reason=data.stop_reason, duration_s=data.duration_s, ended_at=record.at,
        output_file=data.output_file or before.output_file, failure=None, said=data.turns, fallback=data.fallback,
    )  # fmt: skip
    return changed(spend(state, data.usage, data.cost_usd), last_completed=before.name)


def _failed(state: RunState, data: step.StepFailed, record: Record) -> RunState:
    before = step_of(state, data.execution_id)
    state = with_execution(state, data.execution_id, closed_by="failed")
    state = with_step(
        state, before.name, status="failed", failures=before.failures + 1, failure=data.failure,
        usage=before.usage + data.usage, cost_usd=add_cost(before.cost_usd, data.cost_usd),
        chunks=data.chunks, duration_s=data.duration_s, ended_at=record.at,
    )  # fmt: skip
    return spend(state, data.usage, data.cost_usd)


def _timed_out(state: RunState, data: step.StepTimedOut, record: Record) -> RunState:
    before = step_of(state, data.execution_id)
    state = _unreported(with_execution(state, data.execution_id, closed_by="timed_out"), data.execution_id)
    failure = Failure(kind="timeout_total", message=f"no result within {data.timeout_s:g} s")
    return with_step(
        state, before.name, status="failed", failures=before.failures + 1, failure=failure, ended_at=record.at
    )


def _reopen(closed_by: ClosedBy) -> Callable[[RunState, Any, Record], RunState]:
    def change(state: RunState, data: Any, record: Record) -> RunState:
        before = step_of(state, data.execution_id)
        state = _unreported(with_execution(state, data.execution_id, closed_by=closed_by), data.execution_id)
        return with_step(state, before.name, status="pending")

    return change


def _orphaned(state: RunState, data: step.StepOrphaned, record: Record) -> RunState:
    before = step_of(state, data.execution_id)
    started = state.executions[data.execution_id].started_at is not None
    crashed = started and data.reason == "lease_expired" and data.ran_s is not None and data.ran_s < CRASH_WITHIN_S
    state = _unreported(with_execution(state, data.execution_id, closed_by="orphaned"), data.execution_id)
    return with_step(state, before.name, status="pending", crashes=before.crashes + crashed)


def _retry(state: RunState, data: step.StepRetryScheduled, record: Record) -> RunState:
    return with_step(state, data.step, status="waiting", due_at=data.due_at)


def _fallback(state: RunState, data: step.FallbackChosen, record: Record) -> RunState:
    return with_step(state, data.step, status="pending", candidate=data.number, failures=0)


def _skipped(state: RunState, data: step.StepSkipped, record: Record) -> RunState:
    return with_step(state, data.step, status="skipped", skip_reason=data.reason, ended_at=record.at)


def _refused(state: RunState, data: step.StepRefused, record: Record) -> RunState:
    failures = known_step(state, data.step).failures + 1
    state = with_step(
        state, data.step, status="failed", failure=data.failure, failures=failures, due_at=None, ended_at=record.at
    )
    return leave(leave_children(state, lambda path: path == data.step), data)


def _variables(state: RunState, data: run.VariablesSet, record: Record) -> RunState:
    state = with_step(
        state, data.step, status="completed", result=Inline(value=data.values), started_at=record.at,
        ended_at=record.at, duration_s=0.0,
    )  # fmt: skip
    state = changed(state, last_completed=data.step, current_step=data.step)
    if data.scope == "loop" and turn_around(state, data.step) is not None:
        return state  # it holds in its turn only, and is found there as the step's result
    variables, setters = with_variables(state.definition, state.variables, state.setters, data.step, data.values)
    return changed(state, variables=variables, setters=setters)


CHANGES: Mapping[type, Callable[[RunState, Any, Record], RunState]] = {
    step.StepScheduled: _scheduled,
    step.StepStarted: _started,
    provider.ProviderRequested: _requested,
    provider.ProviderResponded: _responded,
    step.StepCompleted: _completed,
    step.StepFailed: _failed,
    step.StepDeclined: _reopen("declined"),
    step.StepReleased: _reopen("released"),
    step.StepTimedOut: _timed_out,
    step.StepOrphaned: _orphaned,
    step.StepRetryScheduled: _retry,
    step.FallbackChosen: _fallback,
    step.StepSkipped: _skipped,
    step.StepRefused: _refused,
    run.VariablesSet: _variables,
}
