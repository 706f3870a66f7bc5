"""What a run may use: over a limit nothing more is called, and the run fails."""

from datetime import datetime

from elexirion.agents.decisions.later import later
from elexirion.agents.decisions.view import View
from elexirion.agents.plan import NO_LIMITS, StepPlan
from elexirion.events.failure import Failure
from elexirion.events.run import BudgetExceeded
from elexirion.events.step import Allowance
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState


def exceeded_by(view: View, planned: StepPlan, known: StepState) -> BudgetExceeded | None:
    """The limit that an execution of the step would pass; the handlers of an error are not held to any."""
    if view.state.failing is not None or view.plan.limits == NO_LIMITS:
        return None
    return _too_many(view, known) or (_too_dear(view) if planned.lane != "local" else None)


def passed(view: View) -> BudgetExceeded | None:
    """The limit that has passed whatever is done next: that of time, or any of a run that is only audited."""
    return out_of_time(view) or (_too_dear(view) if view.plan.limits.audit else None)


def cut_by(view: View, failure: Failure) -> BudgetExceeded | None:
    """The limit for whose sake a worker cut a call, where the failure is that."""
    return _too_dear(view) if failure.kind == "budget" and failure.where is not None else None


def allowance_of(view: View) -> Allowance | None:
    """What an execution that is scheduled now may use."""
    limits, state = view.plan.limits, view.state
    if limits.audit or state.failing is not None or (limits.tokens is None and limits.cost_usd is None):
        return None
    tokens = None if limits.tokens is None else max(0, limits.tokens - _tokens(state))
    cost_usd = None if limits.cost_usd is None else max(0.0, limits.cost_usd - (state.cost_usd or 0.0))
    return Allowance(tokens=tokens, cost_usd=cost_usd)


def _tokens(state: RunState) -> int:
    return state.usage.input_tokens + state.usage.output_tokens


def _exceeded(view: View, limit: str, allowed: float, used: float) -> BudgetExceeded | None:
    """The event; None where it was noted already in a run that is only audited."""
    audit = view.plan.limits.audit
    if audit and limit in view.state.warned:
        return None
    return BudgetExceeded(limit=limit, allowed=allowed, used=used, audit=audit)


def _too_many(view: View, known: StepState) -> BudgetExceeded | None:
    allowed, count = view.plan.limits.steps, view.state.begun
    if allowed is None or known.scheduled:  # another try of a step is no other step
        return None
    return _exceeded(view, "max_total_steps", allowed, count + 1) if count >= allowed else None


def _too_dear(view: View) -> BudgetExceeded | None:
    limits, state = view.plan.limits, view.state
    tokens, cost = _tokens(state), state.cost_usd or 0.0
    found = None
    if limits.tokens is not None and tokens >= limits.tokens:
        found = _exceeded(view, "max_tokens", limits.tokens, tokens)
    if found is None and limits.cost_usd is not None and cost >= limits.cost_usd:
        found = _exceeded(view, "max_cost_usd", limits.cost_usd, cost)
    return found


def out_of_time(view: View) -> BudgetExceeded | None:
    """The limit of time, where it has passed."""
    seconds, due_at = view.plan.limits.seconds, ends_at(view.state, view.plan.limits.seconds)
    if seconds is None or due_at is None or due_at > view.facts.now:
        return None
    used = (view.facts.now - view.state.started_at).total_seconds()
    return _exceeded(view, "max_execution_time_s", seconds, used)


def ends_at(state: RunState, seconds: float | None) -> datetime | None:
    """When the run is out of time."""
    return None if seconds is None else later(state.started_at, seconds)


def budget_failure(exceeded: BudgetExceeded) -> Failure:
    """What the run fails with."""
    message = f"{exceeded.limit} is {exceeded.allowed:g}, and {exceeded.used:g} was used or would be"
    return Failure(kind="budget", message=message)
