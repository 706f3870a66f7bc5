"""What happens next in a run: `decide(state, plan, facts) -> records`. Pure.

Decisions are numbered and chained; each is one record, and from any prefix of a batch `decide` goes on.
Nothing to do is an empty list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, assert_never

from elexirion.agents.dispatch import Placement, choose
from elexirion.agents.evaluated import Assigned, Evaluation, NotPossible, NotWanted, Output, Rendered
from elexirion.agents.plan import RunPlan, StepPlan
from elexirion.agents.resilience.backoff import delay_s, worth_another
from elexirion.events import run, step
from elexirion.events.envelope import Record, make_decision
from elexirion.events.failure import Failure
from elexirion.events.identifiers import ExecutionId, successor_run_id
from elexirion.events.record_model import RecordModel
from elexirion.projections.context import hash_after
from elexirion.projections.run_state import RunState, evolve
from elexirion.projections.step_state import StepState

BATCH = 64
CRASHES_TO_POISON = 3
TIMEOUT_GRACE_S = 5.0
"""The worker ends an attempt at its timeout by itself; the orchestrator closes it this much later."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Why an open execution is given up; `ran_s` as in StepOrphaned."""

    reason: Literal["lease_expired", "worker_left", "lane_dropped"]
    ran_s: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that comes from outside the log's state.

    `sent` holds ids of commands whose append was acknowledged; `most` limits placements in one decision.
    `jitter` is in [0, 1).
    """

    now: datetime
    author: str
    placement: Placement
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    output: Output | NotPossible | None = None
    lost: Mapping[str, Lost] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()
    most: int = BATCH
    jitter: float = 0.0


def decide(state: RunState, plan: RunPlan, facts: Facts) -> list[Record]:
    """The next decisions of a run, in order."""
    records: list[Record] = []
    placed: dict[tuple[str, str], int] = {}
    while len(records) < BATCH and not state.ended:
        data = next_decision(state, plan, facts, placed)
        if data is None:
            break
        record = number(state, data, facts)
        if isinstance(data, step.StepScheduled):
            key = (data.incarnation, data.lane)
            placed[key] = placed.get(key, 0) + 1
        state = evolve(state, record)
        records.append(record)
    return records


def number(state: RunState, data: RecordModel, facts: Facts, causation_id: str | None = None) -> Record:
    """`data` as the decision after the state's last one; a terminal gets the hash of the context it leaves."""
    if not hasattr(data, "context_hash"):
        return _number(state, data, facts, causation_id)
    placed = data.model_copy(update={"position": state.position + 1})
    context_hash = hash_after(state, _number(state, placed, facts, causation_id))
    return _number(state, placed.model_copy(update={"context_hash": context_hash}), facts, causation_id)


def _number(state: RunState, data: RecordModel, facts: Facts, causation_id: str | None) -> Record:
    return make_decision(
        data, run_id=state.run_id, seq=state.seq + 1, prev=state.last, author=facts.author, at=facts.now,
        causation_id=causation_id or state.last, correlation_id=state.correlation_id, offline=state.offline,
    )  # fmt: skip


def next_decision(
    state: RunState, plan: RunPlan, facts: Facts, placed: Mapping[tuple[str, str], int]
) -> RecordModel | None:
    """The one next decision, or None."""
    return (
        _close_lost(state, facts)
        or _judge_failures(state, plan, facts)
        or _go_on(state, plan, facts, placed)
        or _finish(state, plan, facts)
    )


# Open executions ----------------------------------------------------------------------------------------


def _close_lost(state: RunState, facts: Facts) -> RecordModel | None:
    for execution in state.open_executions():
        lost = facts.lost.get(execution.id)
        if lost:
            return step.StepOrphaned(
                execution_id=execution.id, incarnation=execution.incarnation, reason=lost.reason, ran_s=lost.ran_s
            )
        deadline = overdue_at(execution.started_at, execution.timeout_s)
        if deadline and deadline <= facts.now and execution.timeout_s is not None:
            return step.StepTimedOut(execution_id=execution.id, timeout_s=execution.timeout_s)
    return None


def overdue_at(started_at: datetime | None, timeout_s: float | None) -> datetime | None:
    """When the orchestrator closes an execution whose worker did not end it in time."""
    if started_at is None or timeout_s is None:
        return None
    return started_at + timedelta(seconds=timeout_s + TIMEOUT_GRACE_S)


# Failed attempts ----------------------------------------------------------------------------------------


def _judge_failures(state: RunState, plan: RunPlan, facts: Facts) -> RecordModel | None:
    for planned in plan.steps:
        known = state.steps[planned.name]
        if known.crashes >= CRASHES_TO_POISON and not known.done:
            return _run_failed(state, planned.name, _poison(known))
        if known.status != "failed" or known.failure is None:
            continue
        if worth_another(planned.retry, known.failure, known.failures):
            return _retry(planned, known, known.failure, facts)
        if not planned.continue_on_error:
            return _run_failed(state, planned.name, _final(planned, known, known.failure))
    return None


def _retry(planned: StepPlan, known: StepState, failure: Failure, facts: Facts) -> RecordModel:
    wait = delay_s(planned.retry, known.failures, failure, facts.jitter)
    return step.StepRetryScheduled(
        step=known.name, attempt=known.failures + 1, due_at=facts.now + timedelta(seconds=wait), delay_s=wait,
        failure=failure,
    )  # fmt: skip


def _run_failed(state: RunState, name: str | None, failure: Failure) -> RecordModel:
    return run.RunFailed(failure=failure, step=name, usage=state.usage, cost_usd=state.cost_usd, context_hash="")


def _poison(known: StepState) -> Failure:
    message = f"step {known.name} took its worker along {known.crashes} times; it is not tried again"
    return Failure(kind="poison", message=message)


def _final(planned: StepPlan, known: StepState, failure: Failure) -> Failure:
    if failure.transient and known.failures >= planned.retry.max_attempts > 1:
        return failure.model_copy(update={"message": f"Max retries exceeded: {failure.message}"})
    return failure


# New executions -----------------------------------------------------------------------------------------


def settled(known: StepState, planned: StepPlan) -> bool:
    """Whether the steps after this one may go on."""
    if known.done:
        return True
    return (
        known.status == "failed"
        and planned.continue_on_error
        and known.failure is not None
        and not worth_another(planned.retry, known.failure, known.failures)
    )


def ready(state: RunState, plan: RunPlan) -> list[StepPlan]:
    """Steps that nothing before them holds back, in the order of the file."""
    if state.status != "running":
        return []
    over = {planned.name for planned in plan.steps if settled(state.steps[planned.name], planned)}
    return [
        planned
        for planned in plan.steps
        if state.steps[planned.name].status in ("pending", "waiting") and over.issuperset(planned.needs)
    ]


def unevaluated(state: RunState, plan: RunPlan) -> list[StepPlan]:
    """Ready steps whose templates were never rendered; a step tried again keeps what it had."""
    return [planned for planned in ready(state, plan) if state.steps[planned.name].input is None]


def all_settled(state: RunState, plan: RunPlan) -> bool:
    """Whether every step is over."""
    return all(settled(state.steps[planned.name], planned) for planned in plan.steps)


def _go_on(state: RunState, plan: RunPlan, facts: Facts, placed: Mapping[tuple[str, str], int]) -> RecordModel | None:
    for planned in ready(state, plan):
        known = state.steps[planned.name]
        if known.due_at and known.due_at > facts.now:
            continue
        data = _advance(state, planned, known, facts, placed)
        if data:
            return data
    return None


def _advance(
    state: RunState, planned: StepPlan, known: StepState, facts: Facts, placed: Mapping[tuple[str, str], int]
) -> RecordModel | None:
    evaluation = _kept(known) or facts.evaluations.get(planned.name)
    match evaluation:
        case None:
            return None
        case NotWanted():
            return step.StepSkipped(step=planned.name, reason=evaluation.reason)
        case NotPossible():
            return step.StepRefused(step=planned.name, failure=evaluation.failure)
        case Assigned():
            return run.VariablesSet(step=planned.name, values=evaluation.values)
        case Rendered():
            return _schedule(state, planned, known, evaluation, facts, placed)
        case _:
            assert_never(evaluation)


def _kept(known: StepState) -> Rendered | None:
    if known.input is None or known.input_hash is None:
        return None
    return Rendered(known.input, known.input_hash, known.output_file, known.prompt_files)


def _schedule(
    state: RunState,
    planned: StepPlan,
    known: StepState,
    rendered: Rendered,
    facts: Facts,
    placed: Mapping[tuple[str, str], int],
) -> RecordModel | None:
    if planned.lane is None or sum(placed.values()) >= facts.most:
        return None
    incarnation = choose(facts.placement, planned.lane, placed)
    if incarnation is None:
        return None
    return step.StepScheduled(
        execution_id=str(ExecutionId(state.run_id, planned.name, known.scheduled + 1)), step=planned.name,
        step_type=planned.step_type, lane=planned.lane, incarnation=incarnation, attempt=known.failures + 1,
        timeout_s=planned.timeout_s, input=rendered.input, input_hash=rendered.input_hash,
        prompt_files=rendered.prompt_files, output_file=rendered.output_file,
    )  # fmt: skip


# The end ------------------------------------------------------------------------------------------------


def _finish(state: RunState, plan: RunPlan, facts: Facts) -> RecordModel | None:
    if state.status != "running" or not all_settled(state, plan) or facts.output is None:
        return None
    if isinstance(facts.output, NotPossible):
        return _run_failed(state, None, facts.output.failure)
    if state.then and state.successor is None:
        return _ask_for_next(state, facts.output.inputs)
    if state.successor and state.successor.command_id not in facts.sent:
        return None
    return run.RunCompleted(
        result=facts.output.value, usage=state.usage, cost_usd=state.cost_usd, context_hash="",
        next_run_id=state.successor.run_id if state.successor else None,
    )  # fmt: skip


def _ask_for_next(state: RunState, inputs: dict[str, Any]) -> RecordModel:
    child = successor_run_id(state.run_id)
    return run.ChildRunStarted(
        child_run_id=child, command_id=f"{state.run_id}/then/{child}", relation="then", inputs=inputs
    )
