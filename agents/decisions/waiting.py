"""Steps that wait: for a time, for an answer, for a child run."""

from collections.abc import Iterator

from elexirion.agents.decisions.view import View
from elexirion.agents.plan import StepPlan
from elexirion.events import step
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.values import Inline
from elexirion.projections.step_state import StepState

DECISIONS = {"approve": "approved", "reject": "rejected"}
"""The signals that answer an approval, and what its result says then."""


def about_timer(view: View, known: StepState) -> Iterator[RecordModel]:
    """A delay ends when its time has come."""
    if _due(view, known):
        yield step.StepConcluded(step=known.name, result=Inline(), ended_because="due")


def about_answer(view: View, planned: StepPlan, known: StepState) -> Iterator[RecordModel]:
    """An approval ends with its answer, or with what its timeout stands for."""
    if known.answer is not None:
        yield _decided(known, known.answer, "signal")
    elif _due(view, known) and planned.on_timeout == "fail":
        message = "nobody approved or rejected it in time"
        yield step.StepRefused(step=known.name, failure=Failure(kind="step_error", message=message))
    elif _due(view, known):
        yield _decided(known, planned.on_timeout, "timeout")


def _decided(known: StepState, answer: str, because: str) -> RecordModel:
    result = {"decision": DECISIONS.get(answer, answer), "because": because}
    if known.answer_value is not None:
        result["value"] = known.answer_value
    return step.StepConcluded(step=known.name, result=Inline(value=result), ended_because=because)


def about_child(view: View, known: StepState) -> Iterator[RecordModel]:
    """A child run that takes too long fails its step; the child is cancelled."""
    if _due(view, known):
        message = f"the child run {known.child_run_id} did not end in time"
        yield step.StepRefused(step=known.name, failure=Failure(kind="step_error", message=message))


def _due(view: View, known: StepState) -> bool:
    return known.due_at is not None and known.due_at <= view.facts.now
