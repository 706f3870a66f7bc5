"""Where a block of steps stands: what is over, what failed for good, and what may start. Pure readings."""

from dataclasses import dataclass

from elexirion.agents.plan import StepPlan
from elexirion.agents.resilience.backoff import worth_another
from elexirion.events.failure import Failure
from elexirion.projections.paths import step_at
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import RUNNING, StepState

CRASHES_TO_POISON = 3


@dataclass(frozen=True, slots=True)
class Completed:
    """All steps of a block are over."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A step of a block failed for good, and nothing of the block runs any more."""

    path: str
    failure: Failure


def poisoned(known: StepState) -> Failure | None:
    """Why a step is not placed on any worker again, where it killed too many of them."""
    if known.crashes < CRASHES_TO_POISON or known.done:
        return None
    message = f"step {known.name} took its worker along {known.crashes} times; it is not tried again"
    return Failure(kind="poison", message=message)


def final_failure(planned: StepPlan, known: StepState) -> Failure | None:
    """Why the step failed for good, whether or not others may go on; None where it did not, or not yet."""
    poison = poisoned(known)
    if poison:
        return poison
    if known.status != "failed" or known.failure is None:
        return None
    if worth_another(planned.retry, known.failure, known.failures):
        return None
    if known.failure.transient and known.failures >= planned.retry.max_attempts > 1:
        return known.failure.model_copy(update={"message": f"Max retries exceeded: {known.failure.message}"})
    return known.failure


def settled(planned: StepPlan, known: StepState) -> bool:
    """Whether the steps after this one may go on."""
    return known.done or (planned.continue_on_error and final_failure(planned, known) is not None)


def failed_step(state: RunState, steps: tuple[StepPlan, ...], prefix: str) -> Failed | None:
    """The first step of the file that failed for good and holds the block up."""
    for planned in steps:
        known = step_at(state, prefix + planned.name)
        if known is None or planned.continue_on_error:
            continue
        failure = final_failure(planned, known)
        if failure:
            return Failed(known.name, failure)
    return None


def over(state: RunState, steps: tuple[StepPlan, ...], prefix: str) -> set[str]:
    """Names of the steps that hold nobody back any more."""
    known = ((planned, step_at(state, prefix + planned.name)) for planned in steps)
    return {planned.name for planned, step in known if step is not None and settled(planned, step)}


def block_end(state: RunState, steps: tuple[StepPlan, ...], prefix: str) -> Completed | Failed | None:
    """How the block ended; None while it goes on."""
    failed = failed_step(state, steps, prefix)
    if failed:
        return None if any(running(state, prefix + planned.name) for planned in steps) else failed
    return Completed() if len(over(state, steps, prefix)) == len(steps) else None


def running(state: RunState, path: str) -> bool:
    """Whether an execution or a child run is under way, of the step at `path` or of one inside it."""
    known, inside = state.steps.get(path), f"{path}/"
    if known is not None and known.status in RUNNING:
        return True
    return any(state.steps[one].status in RUNNING for one in state.live if one.startswith(inside))
