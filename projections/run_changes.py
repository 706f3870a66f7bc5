"""What records about a run as a whole change."""

from collections.abc import Callable, Mapping
from typing import Any

from elexirion.events import run
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.schedule import ScheduleFired, ScheduleSkipped
from elexirion.projections.change import changed
from elexirion.projections.changes import at_rest, close_open, leave_children
from elexirion.projections.run_state import Failing, RunState, RunStatus
from elexirion.projections.schedule_state import ScheduleState
from elexirion.projections.step_state import StepState


def _paused(state: RunState, data: run.RunPaused, record: Record) -> RunState:
    return _turned(state, "paused", data, record)


def _resumed(state: RunState, data: run.RunResumed, record: Record) -> RunState:
    return _turned(state, "running", data, record)


def _turned(state: RunState, status: RunStatus, data: run.RunPaused | run.RunResumed, record: Record) -> RunState:
    parent_seq = state.parent_seq if data.parent_seq is None else data.parent_seq
    schedule = state.schedule and state.schedule.after_pause(record.at)
    return changed(state, status=status, turned_seq=record.seq, parent_seq=parent_seq, schedule=schedule)


def _fired(state: RunState, data: ScheduleFired, record: Record) -> RunState:
    return changed(state, schedule=_schedule(state).after_firing(data, record.at))


def _skipped(state: RunState, data: ScheduleSkipped, record: Record) -> RunState:
    return changed(state, schedule=_schedule(state).after_skipping(data))


def _schedule(state: RunState) -> ScheduleState:
    if state.schedule is None:
        raise ValueError(f"run {state.run_id} is no schedule")
    return state.schedule


def _exceeded(state: RunState, data: run.BudgetExceeded, record: Record) -> RunState:
    if data.audit:
        return changed(state, warned=(*state.warned, data.limit))
    return changed(state, exceeded=data)


def _handling(state: RunState, data: run.ErrorHandlingStarted, record: Record) -> RunState:
    steps = {path: at_rest(known) for path, known in state.steps.items()}
    steps |= {name: StepState(name, kind) for name, kind in data.handlers.items()}
    state = leave_children(close_open(state, "run_ended"), lambda path: True)
    return changed(state, steps=steps, live={}, failing=Failing(data.failure, data.step))


def _end(state: RunState, status: RunStatus, record: Record, context_hash: str, **more: Any) -> RunState:
    return changed(
        close_open(state, "run_ended"), status=status, ended_at=record.at, context_hash=context_hash,
        current_step=None, **more,
    )  # fmt: skip


def _run_completed(state: RunState, data: run.RunCompleted, record: Record) -> RunState:
    return _end(state, "completed", record, data.context_hash, result=data.result)


def _run_failed(state: RunState, data: run.RunFailed, record: Record) -> RunState:
    return _end(state, "failed", record, data.context_hash, failure=data.failure, failed_step=data.step)


def _run_cancelled(state: RunState, data: run.RunCancelled, record: Record) -> RunState:
    failure = Failure(kind="cancelled", message=data.reason or "cancelled by a command")
    return _end(state, "cancelled", record, data.context_hash, failure=failure)


def _quarantined(state: RunState, data: run.RunQuarantined, record: Record) -> RunState:
    failure = Failure(kind="internal", message=data.reason)
    return _end(state, "quarantined", record, data.context_hash, failure=failure)


CHANGES: Mapping[type, Callable[[RunState, Any, Record], RunState]] = {
    ScheduleFired: _fired,
    ScheduleSkipped: _skipped,
    run.RunPaused: _paused,
    run.RunResumed: _resumed,
    run.BudgetExceeded: _exceeded,
    run.ErrorHandlingStarted: _handling,
    run.RunCompleted: _run_completed,
    run.RunFailed: _run_failed,
    run.RunCancelled: _run_cancelled,
    run.RunQuarantined: _quarantined,
}
