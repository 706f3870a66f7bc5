"""What a record says, in words: one line for people, wherever records are listed or shown as they come.

Names, counts, reasons and times only; never a prompt, a result, a tool's arguments or the value of a variable.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from elexirion.events import provider, run, schedule, step
from elexirion.events.envelope import Record


def in_words(record: Record) -> str:
    """One line about the record; of a type without words of its own, the id of what it is about."""
    if isinstance(record.data, run.RunStarted):
        return f"run {record.run_id} · {record.data.pipeline_name}{' (offline)' if record.offline else ''}"
    words = _WORDS.get(type(record.data))
    return " ".join((words(record.data) if words else _named(record.raw)).split())


def news(record: Record) -> str | None:
    """The line of a record that somebody who follows a run wants to be told; None where text and tables say it."""
    return in_words(record) if isinstance(record.data, _NEWS) else None


def short(execution_id: str) -> str:
    """An execution without its run: `step#n`."""
    return execution_id.partition("/")[2] or execution_id


def _named(raw: dict[str, Any]) -> str:
    named = raw.get("execution_id") or raw.get("step") or raw.get("command_id") or raw.get("child_run_id") or ""
    return short(str(named))


# One line a type ----------------------------------------------------------------------------------------


def _scheduled(data: step.StepScheduled) -> str:
    attempt = f", attempt {data.attempt}" if data.attempt > 1 else ""
    instead = f", asks {data.fallback}" if data.fallback else ""
    return f"{short(data.execution_id)} is given to {data.incarnation}, lane {data.lane}{attempt}{instead}"


def _retry(data: step.StepRetryScheduled) -> str:
    return f"{data.step} failed ({data.failure.message}); attempt {data.attempt} in {data.delay_s:g} s"


def _fallback(data: step.FallbackChosen) -> str:
    return f"{data.step} failed ({data.failure.message}); {data.fallback} is asked instead"


def _completed(data: step.StepCompleted) -> str:
    instead = f", {data.fallback} stands in" if data.fallback else ""
    return f"{short(data.execution_id)} completed in {_time(data.duration_s)}{_model(data.model)}{instead}"


def _failed(data: step.StepFailed) -> str:
    return f"{short(data.execution_id)} failed after {_time(data.duration_s)}: {_why(data.failure)}"


def _responded(data: provider.ProviderResponded) -> str:
    ended = f"failed: {_why(data.failure)}" if data.failure else data.stop_reason or "answered"
    return f"{short(data.call_id)} {data.provider} {data.model}: {ended} after {_time(data.duration_s)}"


def _orphaned(data: step.StepOrphaned) -> str:
    return f"the worker of {short(data.execution_id)} is gone ({data.reason}); the step runs again"


def _expanded(data: step.StepExpanded) -> str:
    chosen = f", branch {data.branch}" if data.branch is not None else ""
    return f"{data.step} begins{'' if data.count is None else f', {data.count} to go'}{chosen}"


def _turn_ended(data: step.IterationEnded) -> str:
    why = f": {_why(data.failure)}" if data.failure else ""
    return f"{data.step}, turn {data.index}: {data.ended_because}{why}"


def _approval(data: run.ApprovalRequested) -> str:
    until = f", until {data.due_at:%Y-%m-%d %H:%M:%S} UTC" if data.due_at else ""
    return f"{data.step} waits for an approval{until}: {data.message}"


def _child_started(data: run.ChildRunStarted) -> str:
    return f"{data.step or 'the next pipeline'} starts run {data.child_run_id}"


def _handling(data: run.ErrorHandlingStarted) -> str:
    where = f"{data.step}: " if data.step else ""
    return f"{where}{_why(data.failure)}; now {', '.join(data.handlers)}"


def _run_failed(data: run.RunFailed) -> str:
    return f"{f'{data.step}: ' if data.step else ''}{_why(data.failure)}"


def _exceeded(data: run.BudgetExceeded) -> str:
    only = " (audited only: the run goes on)" if data.audit else ""
    return f"{data.limit}: {data.used:g} of {data.allowed:g} used{only}"


def _passed_over(data: schedule.ScheduleSkipped) -> str:
    why = "nobody was there to see it" if data.because == "missed" else "runs of it are open"
    since = f" from {_moment(data.first_at)}" if data.count > 1 else ""
    return f"{data.count} passed over{since} to {_moment(data.due_at)}: {why}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _why(failure: Any) -> str:
    return f"{failure.message} ({failure.kind})" if failure else "no reason given"


def _model(model: str | None) -> str:
    return f" with {model}" if model else ""


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


_WORDS: dict[type, Callable[[Any], str]] = {
    run.CommandReceived: lambda data: f"{data.command_type} {data.command_id}",
    run.CommandRejected: lambda data: f"{data.command_id}: {data.reason}",
    run.VariablesSet: lambda data: f"{data.step} sets {', '.join(data.values) or 'nothing'}",
    run.TimerSet: lambda data: f"{data.step} waits until {data.due_at:%Y-%m-%d %H:%M:%S} UTC",
    run.ApprovalRequested: _approval,
    run.SignalReceived: lambda data: f"{data.step or 'the run'} is told: {data.name}",
    run.ChildRunStarted: _child_started,
    run.ChildRunEnded: lambda data: f"{data.step}: run {data.child_run_id} {data.status}",
    schedule.ScheduleFired: lambda data: f"due at {_moment(data.due_at)}: starts run {data.fired_run_id}",
    schedule.ScheduleSkipped: _passed_over,
    run.RunForked: lambda data: f"{data.relation}: run {data.new_run_id} takes {len(data.carried)} results",
    run.RunPaused: lambda data: f"paused{f': {data.reason}' if data.reason else ''}",
    run.RunResumed: lambda data: "goes on",
    run.BudgetExceeded: _exceeded,
    run.ErrorHandlingStarted: _handling,
    run.RunCompleted: lambda data: f"then run {data.next_run_id}" if data.next_run_id else "the run completed",
    run.RunFailed: _run_failed,
    run.RunCancelled: lambda data: data.reason or "cancelled by a command",
    run.RunQuarantined: lambda data: data.reason,
    step.StepScheduled: _scheduled,
    step.StepSkipped: lambda data: f"{data.step} skipped: {data.reason}",
    step.StepRefused: lambda data: f"{data.step}: {data.failure.message}",
    step.StepRetryScheduled: _retry,
    step.FallbackChosen: _fallback,
    step.StepTimedOut: lambda data: f"{short(data.execution_id)} had no result within {data.timeout_s:g} s",
    step.StepOrphaned: _orphaned,
    step.StepExpanded: _expanded,
    step.StepConcluded: lambda data: f"{data.step} is over{f': {data.ended_because}' if data.ended_because else ''}",
    step.IterationStarted: lambda data: f"{data.step}, turn {data.index} begins",
    step.IterationEnded: _turn_ended,
    step.StepStarted: lambda data: f"{short(data.execution_id)} runs",
    step.StepCompleted: _completed,
    step.StepFailed: _failed,
    step.StepDeclined: lambda data: f"{data.incarnation} does not take {short(data.execution_id)}: {data.reason}",
    step.StepReleased: lambda data: f"{data.incarnation} gives {short(data.execution_id)} back: {data.reason}",
    step.ToolCalled: lambda data: f"{short(data.execution_id)} asks for {data.tool}",
    step.ToolReturned: lambda data: f"{data.tool} {'failed' if data.is_error else 'answered'}",
    step.CacheHit: lambda data: f"{short(data.execution_id)} is answered from the cache",
    step.FallbackUsed: lambda data: f"{short(data.execution_id)}: {data.used} stands in ({data.reason})",
    provider.ProviderRequested: lambda data: f"{short(data.call_id)} asks {data.provider} {data.model}",
    provider.ProviderResponded: _responded,
}

_NEWS = (
    run.RunStarted,
    run.ApprovalRequested,
    run.BudgetExceeded,
    run.ChildRunStarted,
    run.ErrorHandlingStarted,
    run.RunPaused,
    run.RunResumed,
    run.TimerSet,
    step.FallbackChosen,
    step.FallbackUsed,
    step.StepOrphaned,
    step.StepRefused,
    step.StepRetryScheduled,
    step.StepSkipped,
)
