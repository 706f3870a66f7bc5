"""What becomes of one step: it is skipped, refused, placed on a worker, opened, put to sleep, or tried again."""

from collections.abc import Iterator
from typing import assert_never

from elexirion.agents.decisions.blocks import poisoned
from elexirion.agents.decisions.fallbacks import asked_now, at_once, lane_now, next_candidate
from elexirion.agents.decisions.later import later
from elexirion.agents.decisions.limits import allowance_of, exceeded_by
from elexirion.agents.decisions.view import View
from elexirion.agents.dispatch import choose
from elexirion.agents.evaluated import (
    Asking,
    Assigned,
    Calling,
    Holds,
    Joined,
    NotPossible,
    NotWanted,
    Opened,
    Output,
    Rendered,
    Sleeping,
)
from elexirion.agents.plan import StepPlan
from elexirion.agents.questions import AboutStep
from elexirion.agents.resilience.backoff import delay_s, worth_another
from elexirion.events import run, step
from elexirion.events.identifiers import ExecutionId, child_command_id, child_run_id
from elexirion.events.record_model import RecordModel
from elexirion.projections.step_state import StepState


def retry(view: View, planned: StepPlan, known: StepState) -> Iterator[RecordModel]:
    """Another attempt of a step whose last one failed, where that may help, or else another model."""
    failure = known.failure
    if failure is None:
        return
    if worth_another(planned.retry, failure, known.failures) and not at_once(planned, known):
        wait = delay_s(planned.retry, known.failures, failure, view.facts.jitter)
        yield step.StepRetryScheduled(
            step=known.name, attempt=known.failures + 1, due_at=later(view.facts.now, wait), delay_s=wait,
            failure=failure,
        )  # fmt: skip
    elif candidate := next_candidate(planned, known):
        yield step.FallbackChosen(
            step=known.name, number=known.candidate + 1, fallback=str(candidate), failure=failure
        )  # fmt: skip


def start(view: View, planned: StepPlan, known: StepState) -> Iterator[RecordModel]:
    """The beginning of a step that nothing holds back any more."""
    if known.due_at and known.due_at > view.facts.now:
        return
    poison = poisoned(planned, known)
    if poison:  # the steps after it go on without it
        yield step.StepRefused(step=known.name, failure=poison)
        return
    if lane := lane_now(planned, known):
        view.lanes.add(lane)
    answer = _kept(known) or view.answer(AboutStep(known.name))
    match answer:
        case None:
            return
        case NotWanted():
            yield step.StepSkipped(step=known.name, reason=answer.reason)
        case NotPossible():
            yield step.StepRefused(step=known.name, failure=answer.failure)
        case Assigned():
            yield run.VariablesSet(step=known.name, values=answer.values, scope=answer.scope)
        case Rendered():
            yield from _schedule(view, planned, known, answer)
        case Opened():
            yield step.StepExpanded(
                step=known.name, step_type=planned.step_type, shape=answer.shape, children=answer.children,
                items=answer.items, count=answer.count, branch=answer.branch,
            )  # fmt: skip
        case Sleeping():
            due_at = answer.until or later(view.facts.now, answer.seconds or 0.0)
            yield run.TimerSet(step=known.name, due_at=due_at)
        case Asking():
            limit = later(view.facts.now, answer.timeout_s) if answer.timeout_s is not None else None
            yield run.ApprovalRequested(step=known.name, message=answer.message, due_at=limit)
        case Calling():
            yield _call(view, known, answer)
        case Holds() | Joined() | Output():
            raise TypeError(f"no answer about a step: {type(answer).__name__}")
        case _:
            assert_never(answer)


def _kept(known: StepState) -> Rendered | None:
    """A step tried again keeps what was rendered the first time."""
    if known.input is None or known.input_hash is None:
        return None
    return Rendered(known.input, known.input_hash, known.output_file, known.prompt_files)


def _schedule(view: View, planned: StepPlan, known: StepState, rendered: Rendered) -> Iterator[RecordModel]:
    lane, instead = lane_now(planned, known), asked_now(planned, known)
    if lane is None:
        return
    most = view.facts.most.get(lane)
    if most is not None and sum(count for (_, on), count in view.placed.items() if on == lane) >= most:
        return
    too_much = exceeded_by(view, planned, known)
    if too_much:
        yield too_much
        return
    incarnation = choose(view.facts.placement, lane, view.placed)
    if incarnation is None:
        return
    yield step.StepScheduled(
        execution_id=str(ExecutionId(view.state.run_id, known.name, known.scheduled + 1)), step=known.name,
        step_type=planned.step_type, lane=lane, incarnation=incarnation, attempt=known.failures + 1,
        timeout_s=planned.timeout_s, input=rendered.input, input_hash=rendered.input_hash,
        prompt_files=rendered.prompt_files, output_file=rendered.output_file,
        fallback=str(instead) if instead else None, allowance=allowance_of(view),
    )  # fmt: skip


def _call(view: View, known: StepState, calling: Calling) -> RecordModel:
    child = child_run_id(view.state.run_id, known.name, known.failures)
    return run.ChildRunStarted(
        child_run_id=child, command_id=child_command_id(view.state.run_id, child), relation="step",
        inputs=calling.inputs, step=known.name, pipeline=calling.pipeline, source=calling.source,
        due_at=later(view.facts.now, calling.timeout_s) if calling.timeout_s is not None else None,
    )  # fmt: skip
