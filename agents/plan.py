"""The plan of a run: what `decide` needs to know of its pipeline, and nothing more."""

from dataclasses import dataclass, field

from elexirion.agents.resilience.backoff import RetryRule
from elexirion.events.step import Lane


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step. `lane` is None where the orchestrator evaluates it itself; `timeout_s` is per attempt."""

    name: str
    step_type: str
    lane: Lane | None
    needs: tuple[str, ...] = ()
    timeout_s: float | None = 300.0
    retry: RetryRule = field(default_factory=RetryRule)
    continue_on_error: bool = False


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The steps in the order of the file."""

    steps: tuple[StepPlan, ...]
