"""What several calls of one execution used and cost together."""

from dataclasses import dataclass, replace

from elexirion.agents.steps.port import Outcome, StepError
from elexirion.events.usage import NO_USAGE, Usage
from elexirion.projections.step_state import add_cost


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and US dollars; the cost is None as soon as one price is unknown."""

    usage: Usage = NO_USAGE
    cost_usd: float | None = 0.0

    def plus(self, other: Outcome | StepError) -> "Spent":
        """This and what a call spent, whether it ended well or not."""
        return Spent(self.usage + other.usage, add_cost(self.cost_usd, other.cost_usd))

    def on_outcome(self, outcome: Outcome) -> Outcome:
        """The outcome with all that was spent on the way to it."""
        return replace(outcome, usage=self.usage, cost_usd=self.cost_usd)

    def on_error(self, error: StepError) -> StepError:
        """The failure with all that was spent on the way to it."""
        return StepError(error.failure, self.usage, self.cost_usd)
