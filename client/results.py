"""What a run came to: plain values for programs and for printing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from elexirion.events.envelope import utc_now
from elexirion.events.failure import Failure
from elexirion.events.usage import Usage
from elexirion.events.values import Value
from elexirion.projections.paths import in_order
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState

Load = Callable[[Value], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step at the end of its run, or as it is now.

    `status` is `completed`, `failed`, `skipped`, `running`, `waiting` or `pending`; in a run that has ended also
    `stopped` (it was under way) and `not_run`. `duration_s` is None where nothing ran. `cost_usd` is None where
    no price is known. `fallback` is what stood in for the step's own answer, where something did;
    `carried_from` the execution of another run whose result it has: what it used is not part of this run's total.
    """

    name: str
    type: str
    status: str
    execution: str | None
    duration_s: float | None
    usage: Usage
    cost_usd: float | None
    result: Any
    error: Failure | None
    model: str | None
    output_file: str | None
    skip_reason: str | None
    fallback: str | None
    carried_from: str | None = None

    def document(self) -> dict[str, Any]:
        """As plain JSON; `duration` is in seconds, `cost` in US dollars."""
        return {
            "name": self.name,
            "type": self.type,
            "status": self.status,
            "execution": self.execution,
            "duration": self.duration_s,
            "usage": self.usage.model_dump(),
            "cost": self.cost_usd,
            "model": self.model,
            "result": self.result,
            "error": self.error.model_dump() if self.error else None,
            "output_file": self.output_file,
            "skip_reason": self.skip_reason,
            "fallback": self.fallback,
            "carried_from": self.carried_from,
        }


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended, or as it is now. `status` is `completed`, `failed`, `cancelled`, `quarantined`, …

    `scheduled` is one whose `start_at` has not come.
    """

    run_id: str
    pipeline: str
    status: str
    result: Any
    failure: Failure | None
    failed_step: str | None
    context_hash: str | None
    usage: Usage
    cost_usd: float | None
    offline: bool
    started_at: datetime
    ended_at: datetime | None
    steps: tuple[StepResult, ...]
    variables: dict[str, Any]
    previous_run_id: str | None
    next_run_id: str | None
    start_at: datetime | None = None

    @property
    def completed(self) -> bool:
        """Whether the run ended well."""
        return self.status == "completed"

    @property
    def duration_s(self) -> float | None:
        """Seconds from RunStarted to the end."""
        return elapsed_s(self.started_at, self.ended_at)

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "status": self.status,
            "result": self.result,
            "usage": self.usage.model_dump(),
            "cost_usd": self.cost_usd,
            "duration_s": self.duration_s,
            "context_hash": self.context_hash,
            "offline": self.offline,
            "failure": self.failure.model_dump() if self.failure else None,
            "failed_step": self.failed_step,
            "previous_run_id": self.previous_run_id,
            "next_run_id": self.next_run_id,
            "start_at": self.start_at.isoformat() if self.start_at else None,
            "steps": [step.document() for step in self.steps],
        }


async def result_of(state: RunState, load: Load) -> RunResult:
    """The run's result with its values read; raises KafkaProblem where a stored value is gone."""
    return RunResult(
        run_id=state.run_id, pipeline=state.pipeline_name, status=status_of(state),
        result=await load(state.result) if state.result else None, failure=state.failure,
        failed_step=state.failed_step, context_hash=state.context_hash, usage=state.usage,
        cost_usd=state.cost_usd, offline=state.offline, started_at=state.started_at, ended_at=state.ended_at,
        steps=tuple([await _step(state, step, load) for step in in_order(state)]),
        variables=dict(state.variables), previous_run_id=state.previous_run_id,
        next_run_id=state.successor.run_id if state.successor else None, start_at=state.start_at,
    )  # fmt: skip


async def _step(state: RunState, step: StepState, load: Load) -> StepResult:
    return StepResult(
        name=step.name, type=step.step_type, status=_status(state, step), execution=step.execution_id,
        duration_s=_duration(step), usage=step.usage, cost_usd=step.cost_usd,
        result=await load(step.result) if step.result else None, error=step.failure, model=step.model,
        output_file=step.output_file, skip_reason=step.skip_reason, fallback=step.fallback,
        carried_from=step.carried_from,
    )  # fmt: skip


def _status(state: RunState, step: StepState) -> str:
    match step.status:
        case "open" | "expanded":
            return "stopped" if state.ended else "running"
        case "waiting" | "timed" | "asked" | "child":
            return "stopped" if state.ended else "waiting"
        case "pending":
            return "not_run" if state.ended else "pending"
        case "failed" | "completed" | "skipped":
            return step.status
        case unknown:
            assert_never(unknown)


def status_of(state: RunState) -> str:
    """The run's status in the log, but for one whose time has not come yet."""
    return "scheduled" if state.status == "running" and state.waits_until(utc_now()) else state.status


def _duration(step: StepState) -> float | None:
    return step.duration_s if step.duration_s is not None else elapsed_s(step.started_at, step.ended_at)


def elapsed_s(began: datetime | None, ended: datetime | None) -> float | None:
    """Seconds between two recorded times; None where one of them is not there (yet).

    What ended before it was to begin took no time.
    """
    return max(0.0, (ended - began).total_seconds()) if began and ended else None
