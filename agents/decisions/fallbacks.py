"""Who is asked in place of a step's own model: the next one of its `fallback` list, where another model may help."""

from elexirion.agents.plan import StepPlan
from elexirion.agents.resilience.fallback import helped_by_another
from elexirion.events.step import Lane
from elexirion.pipelines.fallback import Candidate
from elexirion.projections.step_state import StepState


def next_candidate(planned: StepPlan, known: StepState) -> Candidate | None:
    """Who is asked once the present model has no attempt left; None where nobody is, or nobody could help."""
    if known.failure is None or known.candidate >= len(planned.fallback) or not helped_by_another(known.failure):
        return None
    return planned.fallback[known.candidate]


def at_once(planned: StepPlan, known: StepState) -> bool:
    """Whether the next one is asked without another attempt: while a circuit is open there is nothing to try."""
    return (
        known.failure is not None and known.failure.kind == "circuit_open" and known.candidate < len(planned.fallback)
    )


def asked_now(planned: StepPlan, known: StepState) -> Candidate | None:
    """Who of the `fallback` list the next execution asks; None for the step's own model."""
    return planned.fallback[known.candidate - 1] if known.candidate else None


def lane_now(planned: StepPlan, known: StepState) -> Lane | None:
    """The lane of the next execution: a fallback may be another provider's."""
    candidate = asked_now(planned, known)
    return candidate.provider if candidate else planned.lane
