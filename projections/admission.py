"""What counts: whether the fold accepts a record of a run, by what the run is when the record arrives.

These are the rules of the log. A refused record has no effect and uses no number.
"""

from typing import Literal

from elexirion.events import run, step
from elexirion.events.catalog import CLOSING_REPORT_NAMES, DECISION_NAMES, REPORT_NAMES
from elexirion.events.envelope import Record
from elexirion.events.identifiers import ExecutionId
from elexirion.events.schedule import ScheduleFired, ScheduleSkipped
from elexirion.projections.paths import step_at
from elexirion.projections.run_state import RunState

Refusal = Literal[
    "unreadable",
    "unknown_type",
    "no_run",
    "run_exists",
    "run_ended",
    "wrong_seq",
    "wrong_prev",
    "wrong_position",
    "unknown_step",
    "step_not_ready",
    "unknown_execution",
    "execution_closed",
    "other_incarnation",
    "duplicate_command",
    "no_such_command",
    "duplicate_report",
    "fold_error",
    "newer_version",
    "run_held",
    "not_due",
]


_READY = ("pending", "waiting")
"""A step in one of these may begin: for the first time, or for another attempt."""


def refusal(state: RunState | None, record: Record) -> Refusal | None:
    """Why the record does not count, or None where it does."""
    if not record.known:
        return "unknown_type"
    if record.type == "RunStarted":
        return "run_exists" if state else _first_number(record)
    if state is None:
        return "no_run"
    if record.type in REPORT_NAMES:
        return _report_refusal(state, record)
    if record.type in DECISION_NAMES:
        return _decision_refusal(state, record)
    return "unknown_type"


def from_newer_writer(state: RunState | None, waits: bool, record: Record) -> bool:
    """Whether a record of a type or version unknown here continues its run all the same.

    Then a newer program wrote it, for which it counts: what this one would decide of the run from here on is wrong.
    `waits`: a command to the run has no outcome yet. Strange records continue nothing, and are not taken for that.
    """
    if record.type == "CommandReceived":
        return True
    if record.type == "CommandRejected":
        return waits
    if state is None:
        return record.type == "RunStarted" and waits and _first_number(record) is None
    if record.seq is not None:
        return (record.seq, record.prev) == (state.seq + 1, state.last)
    execution = state.executions.get(str(record.raw.get("execution_id")))
    return execution is not None and execution.open and execution.incarnation == record.raw.get("incarnation")


def _first_number(record: Record) -> Refusal | None:
    return None if record.seq == 1 and record.prev is None else "wrong_seq"


def _report_refusal(state: RunState, record: Record) -> Refusal | None:
    """A report that is there twice, as copies of a topic may have it, counts once: the rest by what was said so far."""
    data = record.data
    assert isinstance(data, step.Report)
    execution = state.executions.get(data.execution_id)
    if execution is None:
        return "unknown_execution"
    if state.ended:
        return "run_ended"
    if not execution.open:
        return "execution_closed"
    if execution.incarnation != data.incarnation:
        return "other_incarnation"
    return "duplicate_report" if record.id in state.opened[execution.id] else None


def _decision_refusal(state: RunState, record: Record) -> Refusal | None:
    if state.ended:
        return "run_ended"
    if record.seq != state.seq + 1:
        return "wrong_seq"
    if record.prev != state.last:
        return "wrong_prev"
    return _precondition(state, record.data)


def _precondition(state: RunState, data: object) -> Refusal | None:
    match data:
        case step.StepTimedOut() | step.StepOrphaned():
            return _open_execution(state, data.execution_id)
        case step.StepScheduled():
            return _next_execution(state, data)
        case step.StepRetryScheduled():
            return _step_in(state, data.step, "failed")
        case step.FallbackChosen():
            return _next_candidate(state, data)
        case step.StepSkipped() | run.VariablesSet() | step.StepExpanded() | run.TimerSet() | run.ApprovalRequested():
            return _step_in(state, data.step, *_READY)
        case step.StepRefused():
            return _step_in(state, data.step, *_READY, "expanded", "timed", "asked", "child")
        case step.StepConcluded():
            return _step_in(state, data.step, "expanded", "timed", "asked")
        case step.IterationStarted() | step.IterationEnded():
            return _turn(state, data)
        case run.SignalReceived() if data.step is not None:
            return _step_in(state, data.step, "asked")
        case run.ChildRunStarted() if data.step is not None:
            return _step_in(state, data.step, *_READY)
        case run.ChildRunEnded():
            return None if state.awaits(data.step, data.child_run_id) else "step_not_ready"
        case run.ErrorHandlingStarted():
            return "step_not_ready" if state.failing else None
        case ScheduleFired() | ScheduleSkipped():
            return None if state.schedule and data.due_at > state.schedule.until else "not_due"
        case run.RunCompleted() | run.RunFailed() | run.RunCancelled() | run.RunQuarantined():
            return "wrong_position" if data.position not in (None, state.position + 1) else None
        case _:
            return None


def _open_execution(state: RunState, execution_id: str) -> Refusal | None:
    execution = state.executions.get(execution_id)
    if execution is None:
        return "unknown_execution"
    return None if execution.open else "execution_closed"


def _next_execution(state: RunState, data: step.StepScheduled) -> Refusal | None:
    known = step_at(state, data.step)
    if known is None:
        return "unknown_step"
    expected = str(ExecutionId(state.run_id, data.step, known.scheduled + 1))
    ready = known.status in _READY and data.execution_id == expected
    return None if ready else "step_not_ready"


def _step_in(state: RunState, path: str, *statuses: str) -> Refusal | None:
    known = step_at(state, path)
    if known is None:
        return "unknown_step"
    return None if known.status in statuses else "step_not_ready"


def _next_candidate(state: RunState, data: step.FallbackChosen) -> Refusal | None:
    known = step_at(state, data.step)
    next_one = known is not None and data.number == known.candidate + 1
    return _step_in(state, data.step, "failed") or (None if next_one else "step_not_ready")


def _turn(state: RunState, data: step.IterationStarted | step.IterationEnded) -> Refusal | None:
    known = step_at(state, data.step)
    inside = known.inside if known is not None and known.status == "expanded" else None
    if inside is None or inside.shape not in ("loop", "repeat"):
        return "step_not_ready"
    if isinstance(data, step.IterationEnded) and inside.turns.get(data.index, "none") is None:
        return None if data.ended_because != "skipped" else "step_not_ready"
    begins = isinstance(data, step.IterationStarted) or data.ended_because in ("skipped", "failed")
    more = inside.count is None or data.index < inside.count
    return None if begins and more and data.index == len(inside.turns) else "step_not_ready"


def closes_an_execution(record: Record) -> bool:
    """Whether an accepted record of this type frees the slot of an execution."""
    return record.type in CLOSING_REPORT_NAMES or record.type in ("StepTimedOut", "StepOrphaned")
