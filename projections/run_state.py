"""The state of a run and its fold: `evolve(state, record) -> state` for accepted records.

Pure: no clock, random, log or await. Which records are accepted is decided in `admission`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from elexirion.events import provider, run, step
from elexirion.events.canonical import canonical_json, sha256_hex
from elexirion.events.catalog import DECISION_NAMES
from elexirion.events.commands import PipelineReference, RunSource
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.events.values import Inline, Value
from elexirion.pipelines.definition import step_types
from elexirion.projections.change import changed
from elexirion.projections.step_state import ClosedBy, Execution, StepState, add_cost

RunStatus = Literal["running", "paused", "completed", "failed", "cancelled", "quarantined"]


@dataclass(frozen=True, slots=True)
class Successor:
    """The next run of a chain, asked for by a command whose id follows from this run."""

    run_id: str
    command_id: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class RunState:
    """Everything the log says of a run up to one position.

    `seq` and `last` are number and id of the last accepted decision; `position` counts accepted records;
    `digest` chains the data of all of them, so that no byte of one can change unseen.
    """

    run_id: str
    pipeline_name: str
    definition: dict[str, Any] = field(repr=False)
    definition_sha256: str
    inputs: dict[str, Any]
    source: RunSource
    then: tuple[PipelineReference, ...]
    previous_run_id: str | None
    tags: dict[str, str]
    offline: bool
    correlation_id: str | None
    started_at: datetime
    seq: int
    last: str
    position: int
    digest: str
    steps: dict[str, StepState]
    executions: dict[str, Execution] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    last_completed: str | None = None
    current_step: str | None = None
    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0
    successor: Successor | None = None
    status: RunStatus = "running"
    result: Value | None = None
    failure: Failure | None = None
    failed_step: str | None = None
    context_hash: str | None = None
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether a terminal event was accepted."""
        return self.status not in ("running", "paused")

    def open_executions(self) -> list[Execution]:
        """Executions whose reports still count, in the order of their scheduling."""
        return [execution for execution in self.executions.values() if execution.open]


def begin(record: Record) -> RunState:
    """The state after a run's RunStarted."""
    data = record.data
    assert isinstance(data, run.RunStarted)
    steps = {name: StepState(name, kind) for name, kind in step_types(data.definition).items()}
    return RunState(
        run_id=record.run_id, pipeline_name=data.pipeline_name, definition=data.definition,
        definition_sha256=data.definition_sha256, inputs=data.inputs, source=data.source, then=data.then,
        previous_run_id=data.previous_run_id, tags=data.tags, offline=record.offline,
        correlation_id=record.correlation_id, started_at=record.at, seq=1, last=record.id, position=1,
        digest=chain("", record), steps=steps,
    )  # fmt: skip


def evolve(state: RunState, record: Record) -> RunState:
    """The state after one more accepted record; unknown kinds change only position and digest."""
    change = _CHANGES.get(type(record.data))
    after = change(state, record.data, record) if change else state
    digest = chain(state.digest, record)
    if record.type in DECISION_NAMES:
        return changed(after, position=state.position + 1, digest=digest, seq=state.seq + 1, last=record.id)
    return changed(after, position=state.position + 1, digest=digest)


def chain(digest: str, record: Record) -> str:
    """The digest after `record`: covers type and data as written, but for `context_hash`, made of the digest."""
    said = {key: value for key, value in record.raw.items() if key != "context_hash"}
    return sha256_hex(f"{digest}|{record.type}|".encode() + canonical_json(said))


# Changes, one record type each --------------------------------------------------------------------------


def _step(state: RunState, name: str, **changes: Any) -> RunState:
    return changed(state, steps={**state.steps, name: changed(state.steps[name], **changes)})


def _execution(state: RunState, id: str, **changes: Any) -> RunState:
    return changed(state, executions={**state.executions, id: changed(state.executions[id], **changes)})


def _step_of(state: RunState, execution_id: str) -> StepState:
    return state.steps[state.executions[execution_id].step]


def _scheduled(state: RunState, data: step.StepScheduled, record: Record) -> RunState:
    opened = Execution(
        id=data.execution_id, step=data.step, incarnation=data.incarnation, lane=data.lane,
        attempt=data.attempt, timeout_s=data.timeout_s, scheduled_at=record.at,
    )  # fmt: skip
    state = changed(state, executions={**state.executions, data.execution_id: opened}, current_step=data.step)
    return _step(
        state, data.step, status="open", scheduled=state.steps[data.step].scheduled + 1,
        execution_id=data.execution_id, input=data.input, input_hash=data.input_hash,
        output_file=data.output_file, prompt_files=data.prompt_files, due_at=None, started_at=record.at,
    )  # fmt: skip


def _started(state: RunState, data: step.StepStarted, record: Record) -> RunState:
    if state.executions[data.execution_id].started_at:
        return state  # said again: its time runs from the first
    return _execution(state, data.execution_id, started_at=record.at)


def _requested(state: RunState, data: provider.ProviderRequested, record: Record) -> RunState:
    return _execution(state, data.execution_id, calls=state.executions[data.execution_id].calls + 1)


def _completed(state: RunState, data: step.StepCompleted, record: Record) -> RunState:
    before = _step_of(state, data.execution_id)
    state = _execution(state, data.execution_id, closed_by="completed")
    state = _step(
        state, before.name, status="completed", result=data.result, text_sha256=data.text_sha256,
        chunks=data.chunks, usage=before.usage + data.usage, cost_usd=add_cost(before.cost_usd, data.cost_usd),
        model=data.model, stop_reason=data.stop_reason, duration_s=data.duration_s, ended_at=record.at,
        output_file=data.output_file or before.output_file, failure=None,
    )  # fmt: skip
    return changed(_spend(state, data.usage, data.cost_usd), last_completed=before.name)


def _spend(state: RunState, usage: Usage, cost: float | None) -> RunState:
    return changed(state, usage=state.usage + usage, cost_usd=add_cost(state.cost_usd, cost))


def _failed(state: RunState, data: step.StepFailed, record: Record) -> RunState:
    before = _step_of(state, data.execution_id)
    state = _execution(state, data.execution_id, closed_by="failed")
    state = _step(
        state, before.name, status="failed", failures=before.failures + 1, failure=data.failure,
        usage=before.usage + data.usage, cost_usd=add_cost(before.cost_usd, data.cost_usd),
        chunks=data.chunks, duration_s=data.duration_s, ended_at=record.at,
    )  # fmt: skip
    return _spend(state, data.usage, data.cost_usd)


def _timed_out(state: RunState, data: step.StepTimedOut, record: Record) -> RunState:
    before = _step_of(state, data.execution_id)
    state = _execution(state, data.execution_id, closed_by="timed_out")
    failure = Failure(kind="timeout_total", message=f"no result within {data.timeout_s:g} s")
    return _step(state, before.name, status="failed", failures=before.failures + 1, failure=failure, ended_at=record.at)


def _reopen(closed_by: ClosedBy) -> Callable[[RunState, Any, Record], RunState]:
    def change(state: RunState, data: Any, record: Record) -> RunState:
        before = _step_of(state, data.execution_id)
        state = _execution(state, data.execution_id, closed_by=closed_by)
        return _step(state, before.name, status="pending")

    return change


CRASH_WITHIN_S = 5.0
"""A worker that died by itself this soon after it started a step may have been killed by the step."""


def _orphaned(state: RunState, data: step.StepOrphaned, record: Record) -> RunState:
    before = _step_of(state, data.execution_id)
    started = state.executions[data.execution_id].started_at is not None
    crashed = started and data.reason == "lease_expired" and data.ran_s is not None and data.ran_s < CRASH_WITHIN_S
    state = _execution(state, data.execution_id, closed_by="orphaned")
    return _step(state, before.name, status="pending", crashes=before.crashes + crashed)


def _retry(state: RunState, data: step.StepRetryScheduled, record: Record) -> RunState:
    return _step(state, data.step, status="waiting", due_at=data.due_at)


def _skipped(state: RunState, data: step.StepSkipped, record: Record) -> RunState:
    return _step(state, data.step, status="skipped", skip_reason=data.reason, ended_at=record.at)


def _refused(state: RunState, data: step.StepRefused, record: Record) -> RunState:
    before = state.steps[data.step]
    return _step(
        state,
        data.step,
        status="failed",
        failure=data.failure,
        failures=before.failures + 1,
        ended_at=record.at,
    )


def _variables(state: RunState, data: run.VariablesSet, record: Record) -> RunState:
    state = _step(
        state, data.step, status="completed", result=Inline(value=data.values), started_at=record.at,
        ended_at=record.at, duration_s=0.0,
    )  # fmt: skip
    return changed(
        state, variables={**state.variables, **data.values}, last_completed=data.step, current_step=data.step
    )


def _successor(state: RunState, data: run.ChildRunStarted, record: Record) -> RunState:
    if data.relation != "then":
        return state
    return changed(state, successor=Successor(data.child_run_id, data.command_id, data.inputs))


def _paused(state: RunState, data: run.RunPaused, record: Record) -> RunState:
    return changed(state, status="paused")


def _resumed(state: RunState, data: run.RunResumed, record: Record) -> RunState:
    return changed(state, status="running")


def _end(state: RunState, status: RunStatus, record: Record, context_hash: str, **more: Any) -> RunState:
    closed = {
        id: changed(execution, closed_by="run_ended") if execution.open else execution
        for id, execution in state.executions.items()
    }
    return changed(state, status=status, ended_at=record.at, executions=closed, context_hash=context_hash, **more)


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


_CHANGES: dict[type, Callable[[RunState, Any, Record], RunState]] = {
    step.StepScheduled: _scheduled,
    step.StepStarted: _started,
    provider.ProviderRequested: _requested,
    step.StepCompleted: _completed,
    step.StepFailed: _failed,
    step.StepDeclined: _reopen("declined"),
    step.StepReleased: _reopen("released"),
    step.StepTimedOut: _timed_out,
    step.StepOrphaned: _orphaned,
    step.StepRetryScheduled: _retry,
    step.StepSkipped: _skipped,
    step.StepRefused: _refused,
    run.VariablesSet: _variables,
    run.ChildRunStarted: _successor,
    run.RunPaused: _paused,
    run.RunResumed: _resumed,
    run.RunCompleted: _run_completed,
    run.RunFailed: _run_failed,
    run.RunCancelled: _run_cancelled,
    run.RunQuarantined: _quarantined,
}
