"""The catalogue: each record type's name on the wire, its present version, and its model.

Names are spelled out here and never follow from a class; a new record type is a model and one line.
"""

from dataclasses import dataclass

from elexirion.events import commands, provider, provider_reports, run, schedule, step, worker
from elexirion.events.record_model import RecordModel


@dataclass(frozen=True, slots=True)
class RecordType:
    """One record type: `name` and `version` as written, `family` says which topic it belongs to."""

    name: str
    version: int
    model: type[RecordModel]
    family: str


def _family(family: str, *rows: tuple[str, int, type[RecordModel]]) -> tuple[RecordType, ...]:
    return tuple(RecordType(name, version, model, family) for name, version, model in rows)


COMMANDS = _family(
    "commands",
    ("StartRun", 1, commands.StartRun),
    ("CancelRun", 1, commands.CancelRun),
    ("PauseRun", 1, commands.PauseRun),
    ("ResumeRun", 1, commands.ResumeRun),
    ("RetryRun", 1, commands.RetryRun),
    ("ForkRun", 1, commands.ForkRun),
    ("Signal", 1, commands.Signal),
    ("ChildEnded", 1, commands.ChildEnded),
)

TERMINALS = _family(
    "events",
    ("RunCompleted", 1, run.RunCompleted),
    ("RunFailed", 1, run.RunFailed),
    ("RunCancelled", 1, run.RunCancelled),
    ("RunQuarantined", 1, run.RunQuarantined),
)

DECISIONS = (
    *_family(
        "events",
        ("RunStarted", 1, run.RunStarted),
        ("StepScheduled", 1, step.StepScheduled),
        ("StepSkipped", 1, step.StepSkipped),
        ("StepRefused", 1, step.StepRefused),
        ("StepRetryScheduled", 1, step.StepRetryScheduled),
        ("FallbackChosen", 1, step.FallbackChosen),
        ("StepTimedOut", 1, step.StepTimedOut),
        ("StepOrphaned", 1, step.StepOrphaned),
        ("VariablesSet", 1, run.VariablesSet),
        ("StepExpanded", 1, step.StepExpanded),
        ("StepConcluded", 1, step.StepConcluded),
        ("IterationStarted", 1, step.IterationStarted),
        ("IterationEnded", 1, step.IterationEnded),
        ("TimerSet", 1, run.TimerSet),
        ("ApprovalRequested", 1, run.ApprovalRequested),
        ("SignalReceived", 1, run.SignalReceived),
        ("ChildRunStarted", 1, run.ChildRunStarted),
        ("ChildRunEnded", 1, run.ChildRunEnded),
        ("RunPaused", 1, run.RunPaused),
        ("RunResumed", 1, run.RunResumed),
        ("BudgetExceeded", 1, run.BudgetExceeded),
        ("ErrorHandlingStarted", 1, run.ErrorHandlingStarted),
        ("ScheduleFired", 1, schedule.ScheduleFired),
        ("ScheduleSkipped", 1, schedule.ScheduleSkipped),
    ),
    *TERMINALS,
)

REPORTS = _family(
    "events",
    ("StepStarted", 1, step.StepStarted),
    ("ProviderRequested", 1, provider.ProviderRequested),
    ("ProviderResponded", 1, provider.ProviderResponded),
    ("StepCompleted", 1, step.StepCompleted),
    ("StepFailed", 1, step.StepFailed),
    ("StepDeclined", 1, step.StepDeclined),
    ("StepReleased", 1, step.StepReleased),
    ("ToolCalled", 1, step.ToolCalled),
    ("ToolReturned", 1, step.ToolReturned),
    ("CacheHit", 1, step.CacheHit),
    ("FallbackUsed", 1, step.FallbackUsed),
)

COMMAND_OUTCOMES = _family(
    "events",
    ("CommandReceived", 1, run.CommandReceived),
    ("CommandRejected", 1, run.CommandRejected),
    ("RunForked", 1, run.RunForked),
)

SHARED = (
    *_family(
        "providers",
        ("CircuitOpened", 1, provider.CircuitOpened),
        ("CircuitHalfOpened", 1, provider.CircuitHalfOpened),
        ("CircuitClosed", 1, provider.CircuitClosed),
        ("LimitLearned", 1, provider.LimitLearned),
        ("CallReported", 1, provider_reports.CallReported),
        ("ProbeAsked", 1, provider_reports.ProbeAsked),
        ("PermitsAsked", 1, provider_reports.PermitsAsked),
        ("PermitsGranted", 1, provider.PermitsGranted),
        ("LimitReported", 1, provider_reports.LimitReported),
        ("UsageReported", 1, provider_reports.UsageReported),
        ("DayBudgetExceeded", 1, provider.DayBudgetExceeded),
    ),
    *_family(
        "workers",
        ("WorkerHeartbeat", 1, worker.WorkerHeartbeat),
        ("WorkerLeft", 1, worker.WorkerLeft),
    ),
    *_family("steps", ("ExecuteStep", 1, step.ExecuteStep), ("CancelStep", 1, step.CancelStep)),
    *_family("chunks", ("StepChunk", 1, step.StepChunk)),
    *_family("payloads", ("PayloadPart", 1, step.PayloadPart)),
    *_family("cache", ("CacheEntry", 1, provider.CacheEntry)),
)

ALL: tuple[RecordType, ...] = (*COMMANDS, *COMMAND_OUTCOMES, *DECISIONS, *REPORTS, *SHARED)
BY_NAME: dict[str, RecordType] = {entry.name: entry for entry in ALL}
BY_MODEL: dict[type[RecordModel], RecordType] = {entry.model: entry for entry in ALL}

COMMAND_NAMES: frozenset[str] = frozenset(entry.name for entry in COMMANDS)
DECISION_NAMES: frozenset[str] = frozenset(entry.name for entry in DECISIONS)
REPORT_NAMES: frozenset[str] = frozenset(entry.name for entry in REPORTS)
TERMINAL_NAMES: frozenset[str] = frozenset(entry.name for entry in TERMINALS)
CLOSING_REPORT_NAMES: frozenset[str] = frozenset({"StepCompleted", "StepFailed", "StepDeclined", "StepReleased"})
