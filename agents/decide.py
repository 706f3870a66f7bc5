"""What happens next in a run: `decide(state, plan, facts) -> records`. Pure.

Decisions are numbered and chained; each is one record, and from any prefix of a batch `decide` goes on.
Nothing to do is an empty list.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elexirion.agents.decisions import steps
from elexirion.agents.decisions.blocks import Standing, block_end, standing
from elexirion.agents.decisions.firing import firing
from elexirion.agents.decisions.inside import inside
from elexirion.agents.decisions.later import later
from elexirion.agents.decisions.limits import budget_failure, cut_by, passed
from elexirion.agents.decisions.view import BATCH, Facts, Lost, View
from elexirion.agents.decisions.waiting import about_answer, about_child, about_timer
from elexirion.agents.evaluated import NotPossible, Output
from elexirion.agents.plan import RunPlan, StepPlan
from elexirion.agents.questions import AboutOutput, Question
from elexirion.events import run, step
from elexirion.events.envelope import Record, make_decision
from elexirion.events.failure import Failure
from elexirion.events.identifiers import successor_run_id
from elexirion.events.record_model import RecordModel
from elexirion.projections.context import hash_after
from elexirion.projections.evolve import evolve
from elexirion.projections.paths import step_at
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState

__all__ = ["BATCH", "Facts", "Lost", "decide", "look", "number", "overdue_at"]

TIMEOUT_GRACE_S = 5.0
"""The worker ends an attempt at its timeout by itself; the orchestrator closes it this much later."""


def decide(state: RunState, plan: RunPlan, facts: Facts) -> list[Record]:
    """The next decisions of a run, in order."""
    records: list[Record] = []
    placed: dict[tuple[str, str], int] = {}
    while len(records) < BATCH and not state.ended:
        data = next(_possible(View(state, plan, facts, placed)), None)
        if data is None:
            break
        record = number(state, data, facts)
        if isinstance(data, step.StepScheduled):
            key = (data.incarnation, data.lane)
            placed[key] = placed.get(key, 0) + 1
        state = evolve(state, record)
        records.append(record)
    return records


@dataclass(frozen=True, slots=True)
class Looked:
    """What decisions about one very state depend on: questions, known or not, and lanes of steps that may start."""

    asked: set[Question]
    lanes: set[str]


def look(state: RunState, plan: RunPlan, facts: Facts) -> Looked:
    """All that could be decided about the state, without deciding it."""
    view = View(state, plan, facts, {})
    for _ in _possible(view):
        pass
    return Looked(view.asked, view.lanes)


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


def _possible(view: View) -> Iterator[RecordModel]:
    """Everything that could be decided about the state, the most urgent first; each stands for itself."""
    state, plan = view.state, view.plan
    if state.waits_until(view.facts.now):
        return
    if state.schedule is not None:
        yield from firing(view)
        return
    yield from _close_lost(view)
    if state.failing is not None:
        yield from _handle_error(view, plan.on_error, state.failing.failure, state.failing.step)
        return
    over = passed(view)
    if state.exceeded is not None:
        yield _fail(view, None, budget_failure(state.exceeded))
    elif over:
        yield over
    else:
        yield from _go_on(view, standing(state, plan.steps, ""))


def _go_on(view: View, stands: Standing) -> Iterator[RecordModel]:
    if stands.failed:
        yield cut_by(view, stands.failed.failure) or _fail(view, stands.failed.path, stands.failed.failure)
    elif view.state.status == "running":
        yield from _in_block(view, view.plan.steps, "", stands, True)
        yield from _finish(view, stands)


# Open executions ----------------------------------------------------------------------------------------


def _close_lost(view: View) -> Iterator[RecordModel]:
    for execution in view.state.open_executions():
        lost = view.facts.lost.get(execution.id)
        if lost:
            yield step.StepOrphaned(
                execution_id=execution.id, incarnation=execution.incarnation, reason=lost.reason, ran_s=lost.ran_s
            )
            continue
        deadline = overdue_at(execution.started_at, execution.timeout_s)
        if deadline and deadline <= view.facts.now and execution.timeout_s is not None:
            yield step.StepTimedOut(execution_id=execution.id, timeout_s=execution.timeout_s)


def overdue_at(started_at: datetime | None, timeout_s: float | None) -> datetime | None:
    """When the orchestrator closes an execution whose worker did not end it in time."""
    if started_at is None or timeout_s is None:
        return None
    return later(started_at, timeout_s + TIMEOUT_GRACE_S)


# Steps --------------------------------------------------------------------------------------------------


def _in_block(
    view: View, block: tuple[StepPlan, ...], prefix: str, stands: Standing, go: bool
) -> Iterator[RecordModel]:
    """What can be decided about the steps of a block, in the order of the file."""
    go = go and stands.failed is None
    for planned in block:
        known = step_at(view.state, prefix + planned.name)
        if known is not None and not known.done:
            yield from _about(view, planned, known, go and stands.over.issuperset(planned.needs), go)


def _about(view: View, planned: StepPlan, known: StepState, ready: bool, go: bool) -> Iterator[RecordModel]:
    match known.status:
        case "failed" if go:
            yield from steps.retry(view, planned, known)
        case "pending" | "waiting" if ready:
            yield from steps.start(view, planned, known)
        case "expanded":
            yield from inside(view, planned, known, go, _in_block)
        case "timed":
            yield from about_timer(view, known)
        case "asked":
            yield from about_answer(view, planned, known)
        case "child":
            yield from about_child(view, known)
        case _:
            return


# The end ------------------------------------------------------------------------------------------------


def _fail(view: View, path: str | None, failure: Failure) -> RecordModel:
    if view.plan.on_error:
        handlers = {planned.name: planned.step_type for planned in view.plan.on_error}
        return run.ErrorHandlingStarted(failure=failure, step=path, handlers=handlers)
    return _run_failed(view.state, path, failure)


def _handle_error(
    view: View, handlers: tuple[StepPlan, ...], failure: Failure, path: str | None
) -> Iterator[RecordModel]:
    if view.state.status != "running":
        return
    stands = standing(view.state, handlers, "")
    if block_end(view.state, handlers, "", stands) is None:
        yield from _in_block(view, handlers, "", stands, True)
    else:
        yield _run_failed(view.state, path, failure)


def _run_failed(state: RunState, path: str | None, failure: Failure) -> RecordModel:
    return run.RunFailed(failure=failure, step=path, usage=state.usage, cost_usd=state.cost_usd, context_hash="")


def _finish(view: View, stands: Standing) -> Iterator[RecordModel]:
    state = view.state
    if len(stands.over) < len(view.plan.steps):
        return
    output = view.answer(AboutOutput())
    if isinstance(output, NotPossible):
        yield _fail(view, None, output.failure)
    elif isinstance(output, Output):
        yield from _complete(state, output, view.facts.sent)


def _complete(state: RunState, output: Output, sent: frozenset[str]) -> Iterator[RecordModel]:
    if state.then and state.successor is None:
        yield _ask_for_next(state, output.inputs)
    elif state.successor is None or state.successor.command_id in sent:
        yield run.RunCompleted(
            result=output.value, usage=state.usage, cost_usd=state.cost_usd, context_hash="",
            next_run_id=state.successor.run_id if state.successor else None,
        )  # fmt: skip


def _ask_for_next(state: RunState, inputs: dict[str, Any]) -> RecordModel:
    child = successor_run_id(state.run_id)
    return run.ChildRunStarted(
        child_run_id=child, command_id=f"{state.run_id}/then/{child}", relation="then", inputs=inputs
    )
