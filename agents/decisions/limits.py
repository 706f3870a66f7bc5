"""What a run may use: over a limit nothing more is called, and the run fails."""

from datetime import datetime

from elexirion.agents.decisions.later import later
from elexirion.agents.decisions.view import View
from elexirion.agents.plan import NO_LIMITS, StepPlan
from elexirion.events.failure import Failure
from elexirion.events.run import BudgetExceeded
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState


def exceeded_by(view: View, planned: StepPlan, known: StepState) -> BudgetExceeded | None:
    """The limit that an execution of the step would pass; the handlers of an error are not held to any."""
    if view.state.failing is not None or view.plan.limits == NO_LIMITS:
        return None
    return _too_many(view, known) or (_too_dear(view) if planned.lane != "local" else None)


def _too_many(view: View, known: StepState) -> BudgetExceeded | None:
    allowed, count = view.plan.limits.steps, view.state.begun
    if allowed is None or known.scheduled:  # another try of a step is no other step
        return None
    return BudgetExceeded(limit="max_total_steps", allowed=allowed, used=count + 1) if count >= allowed else None


def _too_dear(view: View) -> BudgetExceeded | None:
    limits, state = view.plan.limits, view.state
    tokens, cost = state.usage.input_tokens + state.usage.output_tokens, state.cost_usd or 0.0
    if limits.tokens is not None and tokens >= limits.tokens:
        return BudgetExceeded(limit="max_tokens", allowed=limits.tokens, used=tokens)
    if limits.cost_usd is not None and cost >= limits.cost_usd:
        return BudgetExceeded(limit="max_cost_usd", allowed=limits.cost_usd, used=cost)
    return None


def out_of_time(view: View) -> BudgetExceeded | None:
    """The limit of time, where it has passed."""
    seconds, due_at = view.plan.limits.seconds, ends_at(view.state, view.plan.limits.seconds)
    if seconds is None or due_at is None or due_at > view.facts.now:
        return None
    used = (view.facts.now - view.state.started_at).total_seconds()
    return BudgetExceeded(limit="max_execution_time_s", allowed=seconds, used=used)


def ends_at(state: RunState, seconds: float | None) -> datetime | None:
    """When the run is out of time."""
    return None if seconds is None else later(state.started_at, seconds)


def budget_failure(exceeded: BudgetExceeded) -> Failure:
    """What the run fails with."""
    message = f"{exceeded.limit} is {exceeded.allowed:g}, and {exceeded.used:g} was used or would be"
    return Failure(kind="budget", message=message)
