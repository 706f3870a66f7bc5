"""Where a block of steps stands: what is over, what failed for good, and what may start. Pure readings."""

from dataclasses import dataclass

from elexirion.agents.decisions.fallbacks import next_candidate
from elexirion.agents.plan import StepPlan
from elexirion.agents.resilience.backoff import worth_another
from elexirion.events.failure import Failure
from elexirion.projections.paths import step_at
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import RUNNING, StepState


@dataclass(frozen=True, slots=True)
class Completed:
    """All steps of a block are over."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A step of a block failed for good, and nothing of the block runs any more."""

    path: str
    failure: Failure


def poisoned(planned: StepPlan, known: StepState) -> Failure | None:
    """Why a step is not placed on any worker again, where it killed too many of them."""
    if planned.most_crashes is None or known.crashes < planned.most_crashes or known.done:
        return None
    message = f"step {known.name} took its worker along {known.crashes} times; it is not tried again"
    return Failure(kind="poison", message=message)


def final_failure(planned: StepPlan, known: StepState) -> Failure | None:
    """Why the step failed for good, whether or not others may go on; None where it did not, or not yet."""
    poison = poisoned(planned, known)
    if poison:
        return poison
    if known.status != "failed" or known.failure is None:
        return None
    if worth_another(planned.retry, known.failure, known.failures) or next_candidate(planned, known):
        return None
    if known.failure.transient and known.failures >= planned.retry.max_attempts > 1:
        return known.failure.model_copy(update={"message": f"Max retries exceeded: {known.failure.message}"})
    return known.failure


@dataclass(frozen=True, slots=True)
class Standing:
    """How the steps of a block stand: names of those that hold nobody back any more, and the first that holds it up."""

    over: frozenset[str]
    failed: Failed | None


def standing(state: RunState, steps: tuple[StepPlan, ...], prefix: str) -> Standing:
    """One look at the steps of a block, in the order of the file."""
    over: set[str] = set()
    failed: Failed | None = None
    for planned in steps:
        known = step_at(state, prefix + planned.name)
        if known is None:
            continue
        failure = None if known.done else final_failure(planned, known)
        if known.done or (failure and planned.continue_on_error):
            over.add(planned.name)
        elif failure and failed is None:
            failed = Failed(known.name, failure)
    return Standing(frozenset(over), failed)


def block_end(state: RunState, steps: tuple[StepPlan, ...], prefix: str, stands: Standing) -> Completed | Failed | None:
    """How the block ended; None while it goes on."""
    if stands.failed:
        return None if any(running(state, prefix + planned.name) for planned in steps) else stands.failed
    return Completed() if len(stands.over) == len(steps) else None


def running(state: RunState, path: str) -> bool:
    """Whether an execution or a child run is under way, of the step at `path` or of one inside it."""
    known, inside = state.steps.get(path), f"{path}/"
    if known is not None and known.status in RUNNING:
        return True
    return any(state.steps[one].status in RUNNING for one in state.live if one.startswith(inside))
