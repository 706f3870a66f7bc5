"""What must hold of every record of a run; one invariant a function, which gives what is wrong or None.

Each is asked before the record is noted in the run's history. They use the verdicts of the fold, and nothing of
its state but for the hash of the context: an error of the fold is found as well as one of the log.
"""

from collections.abc import Callable, Iterator

from elexirion.events import run, step
from elexirion.events.catalog import CLOSING_REPORT_NAMES, DECISION_NAMES, TERMINAL_NAMES
from elexirion.events.envelope import utc_text
from elexirion.events.identifiers import ExecutionId, decision_id
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.schedule import ScheduleFired, ScheduleSkipped
from elexirion.projections.context import context_hash
from elexirion.projections.history.records import Seen
from elexirion.projections.history.run_history import Execution, RunHistory, digest_of, result_of
from elexirion.projections.history.violation import Kind, Violation, at_record

LOSSES = frozenset({"StepOrphaned", "StepReleased", "StepDeclined"})
"""Ends of executions after which a step is scheduled anew without spending an attempt."""

# What is written -------------------------------------------------------------------------------------------


def _id_reused(history: RunHistory, seen: Seen) -> str | None:
    """But for rejections: two orchestrators may say one in different words, of which the first counts."""
    if isinstance(seen.record.data, run.CommandRejected):
        return None
    known = history.written.get(seen.record.id)
    if known is None or known == digest_of(seen):
        return None
    return f"the id {seen.record.id} was used before by a record that says something else"


def _decision_altered(history: RunHistory, seen: Seen) -> str | None:
    record, author = seen.record, seen.written.author
    if record.type not in DECISION_NAMES or record.seq is None or author is None:
        return None
    body = [record.type, record.raw]
    try:
        made = decision_id(record.run_id, record.seq, record.prev, author, utc_text(record.at), body)
    except TypeError:
        return f"{record.type} {record.id[:12]} is too deep to have been written by an orchestrator"
    return None if made == record.id else f"what {record.type} {record.id[:12]} says gives another id, {made[:12]}"


def _decision_missing(history: RunHistory, seen: Seen) -> str | None:
    prev = seen.record.prev
    if seen.record.type not in DECISION_NAMES or prev is None or prev in history.decisions:
        return None
    return f"{seen.record.type} number {seen.record.seq} follows the decision {prev[:12]}, which is not there"


def _records_missing(history: RunHistory, seen: Seen) -> str | None:
    if seen.refused != "wrong_position" or seen.before is None:
        return None
    decided_at, there = seen.record.raw.get("position"), seen.before.position + 1
    if not isinstance(decided_at, int) or decided_at <= there:
        return None  # something landed before it: the end is decided anew
    return f"{seen.record.type} was decided as record {decided_at} of its run, and is record {there} now"


def _fold_raised(history: RunHistory, seen: Seen) -> str | None:
    return f"the fold raised at this {seen.record.type}" if seen.refused == "fold_error" else None


# Runs and their ends ---------------------------------------------------------------------------------------


def _run_started_twice(history: RunHistory, seen: Seen) -> str | None:
    again = seen.accepted and isinstance(seen.record.data, run.RunStarted) and history.started
    return f"run {history.run_id} was started before" if again else None


def _accepted_after_end(history: RunHistory, seen: Seen) -> str | None:
    after_end = seen.accepted and history.ended and not _about_a_command(seen)
    return f"{seen.record.type} counts and the run ended before, by {history.ended}" if after_end else None


def _chain_broken(history: RunHistory, seen: Seen) -> str | None:
    record, due = seen.record, (history.seq + 1, history.last)
    if not seen.accepted or record.type not in DECISION_NAMES or (record.seq, record.prev) == due:
        return None
    return f"{record.type} counts as number {record.seq} after {record.prev}; due is number {due[0]} after {due[1]}"


def _context_hash_differs(history: RunHistory, seen: Seen) -> str | None:
    if not seen.accepted or seen.record.type not in TERMINAL_NAMES or seen.after is None:
        return None
    said, now = seen.record.raw.get("context_hash"), context_hash(seen.after)
    return None if said == now else f"{seen.record.type} says {said}, the log gives {now}"


def _about_a_command(seen: Seen) -> bool:
    return isinstance(seen.record.data, run.CommandReceived | run.CommandRejected | run.RunForked)


# Executions and results ------------------------------------------------------------------------------------


def _unscheduled(history: RunHistory, seen: Seen) -> str | None:
    data = seen.record.data
    if not isinstance(data, step.Report) or data.execution_id in history.scheduled:
        return None
    return f"{seen.record.type} is about {data.execution_id}, and no StepScheduled of that id stands before it"


def _ran_by_another(history: RunHistory, seen: Seen) -> str | None:
    execution, data = history.execution_of(seen), seen.record.data
    if execution is None or isinstance(data, step.StepDeclined) or not isinstance(data, step.Report):
        return None
    if data.incarnation == execution.incarnation:
        return None
    return f"{seen.record.type} of {data.execution_id} is by {data.incarnation}, given to {execution.incarnation}"


def _not_started(history: RunHistory, seen: Seen) -> str | None:
    execution = history.execution_of(seen)
    if not seen.accepted or execution is None or execution.started_at is not None:
        return None
    needs = isinstance(seen.record.data, step.StepCompleted | step.StepFailed | ProviderRequested | ProviderResponded)
    return f"{seen.record.type} counts before any StepStarted of its execution" if needs else None


def _result_twice(history: RunHistory, seen: Seen) -> str | None:
    path = result_of(seen.record.data) if seen.accepted else None
    known = history.steps.get(path) if path is not None else None
    return f"step {path} has the result of {known.result} already" if known and known.result else None


def _result_of_old_execution(history: RunHistory, seen: Seen) -> str | None:
    execution, data = history.execution_of(seen), seen.record.data
    if not seen.accepted or execution is None or not isinstance(data, step.Report):
        return None
    newest = history.steps[execution.step].newest
    if execution.closed is not None:
        return f"{seen.record.type} of {data.execution_id} counts after its {execution.closed}"
    if newest != data.execution_id and seen.record.type in CLOSING_REPORT_NAMES:
        return f"{seen.record.type} of {data.execution_id} counts, and {newest} is newer"
    return None


def _execution_misnumbered(history: RunHistory, seen: Seen) -> str | None:
    data = seen.record.data
    if not seen.accepted or not isinstance(data, step.StepScheduled):
        return None
    known = history.steps.get(data.step)
    due = str(ExecutionId(history.run_id, data.step, (known.executions if known else 0) + 1))
    return None if data.execution_id == due else f"{data.execution_id} counts where {due} is due"


def _fired_twice(history: RunHistory, seen: Seen) -> str | None:
    data = seen.record.data
    if not seen.accepted or not isinstance(data, ScheduleFired | ScheduleSkipped) or not history.fired:
        return None
    first = data.first_at if isinstance(data, ScheduleSkipped) else data.due_at
    latest = history.fired[-1][0]
    if first > latest:
        return None
    return f"{seen.record.type} is about {first}, and the schedule fired for {latest} before"


# Once only ------------------------------------------------------------------------------------------------


def _started_twice(history: RunHistory, seen: Seen) -> str | None:
    data = seen.record.data
    again = isinstance(data, step.StepStarted) and _begun_before(history, seen)
    return f"{seen.record.raw['execution_id']} was started before, at another time" if again else None


def _call_repeated(history: RunHistory, seen: Seen) -> str | None:
    data = seen.record.data
    again = isinstance(data, ProviderRequested) and _begun_before(history, seen)
    return f"the call {seen.record.raw['call_id']} was begun before, at another time" if again else None


def _begun_before(history: RunHistory, seen: Seen) -> bool:
    """A report that is only said again keeps its time."""
    return history.begun.get(seen.record.id, seen.record.at) != seen.record.at


Invariant = Callable[[RunHistory, Seen], str | None]

INVARIANTS: tuple[tuple[Kind, Invariant], ...] = (
    ("id_reused", _id_reused),
    ("decision_altered", _decision_altered),
    ("decision_missing", _decision_missing),
    ("records_missing", _records_missing),
    ("fold_raised", _fold_raised),
    ("run_started_twice", _run_started_twice),
    ("accepted_after_end", _accepted_after_end),
    ("chain_broken", _chain_broken),
    ("context_hash_differs", _context_hash_differs),
    ("unscheduled", _unscheduled),
    ("ran_by_another", _ran_by_another),
    ("not_started", _not_started),
    ("result_twice", _result_twice),
    ("result_of_old_execution", _result_of_old_execution),
    ("chain_broken", _execution_misnumbered),
    ("fired_twice", _fired_twice),
    ("started_twice", _started_twice),
    ("call_repeated", _call_repeated),
)


def broken(history: RunHistory, seen: Seen) -> Iterator[Violation]:
    """The promises that this record breaks."""
    for kind, invariant in INVARIANTS:
        message = invariant(history, seen)
        if message is not None:
            yield at_record(kind, seen, message)


def broken_at_end(history: RunHistory) -> Iterator[Violation]:
    """The promises that the run breaks as a whole."""
    tries: dict[str, list[Execution]] = {}
    for execution in history.executions.values():
        tries.setdefault(execution.step, []).append(execution)
    for path, executions in tries.items():
        called = sum(one.called for one in executions)
        lost = sum(one.closed in LOSSES for one in executions)
        attempts = len({(one.fallback, one.attempt) for one in executions})
        if called > attempts + lost:
            message = f"{called} executions of {path} asked a provider, in {attempts} attempts with {lost} losses"
            yield Violation("too_many_executions_called", message, history.run_id)
