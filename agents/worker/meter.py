"""What the calls of one execution use, counted while text comes in, against what the run may still use."""

from collections.abc import Callable

from elexirion.agents.providers.conversation import said_in
from elexirion.agents.providers.port import ProviderCall
from elexirion.events.failure import Failure
from elexirion.events.step import Allowance
from elexirion.events.usage import NO_USAGE, Usage

CHARACTERS_A_TOKEN = 4
"""A rule of thumb of all providers for English text; their own count holds once it is there."""

Price = Callable[[str, Usage], float | None]
"""US dollars of a model's tokens now; None where no price is known."""


class Meter:
    """Counts for one execution. Without an allowance nothing is ever too much."""

    def __init__(self, allowance: Allowance | None, price: Price) -> None:
        self._allowance = allowance
        self._price = price
        self._usage = NO_USAGE
        self._cost_usd = 0.0
        self._call: tuple[str, int, int] = ("", 0, 0)

    def begin(self, call: ProviderCall) -> None:
        """A call is about to be sent."""
        asked = sum(len(text) for text in (*said_in(call), call.system or ""))
        self._call = (call.model, asked, 0)

    def said(self, text: str) -> None:
        """A piece of its answer came."""
        model, asked, said = self._call
        self._call = (model, asked, said + len(text))

    def ended(self, usage: Usage, cost_usd: float | None) -> None:
        """It ended, and its provider counted."""
        self._usage, self._cost_usd = self._usage + usage, self._cost_usd + (cost_usd or 0.0)
        self._call = ("", 0, 0)

    def estimate(self) -> tuple[Usage, float | None]:
        """What the call under way used so far, and what that costs."""
        model, asked, said = self._call
        usage = Usage(input_tokens=asked // CHARACTERS_A_TOKEN, output_tokens=-(-said // CHARACTERS_A_TOKEN))
        return usage, self._price(model, usage) if usage != NO_USAGE else 0.0

    def too_much(self) -> Failure | None:
        """Why the call under way is cut, or the next one not made."""
        if self._allowance is None:
            return None
        (usage, cost_usd), left = self.estimate(), self._allowance
        total = self._usage + usage
        tokens, cost = total.input_tokens + total.output_tokens, self._cost_usd + (cost_usd or 0.0)
        if left.tokens is not None and tokens >= left.tokens:
            return _cut("max_tokens", f"{left.tokens} tokens were left to the run and about {tokens} are used")
        if left.cost_usd is not None and cost >= left.cost_usd > 0:
            return _cut("max_cost_usd", f"${left.cost_usd:.4f} was left to the run and about ${cost:.4f} is used")
        return None


def _cut(limit: str, message: str) -> Failure:
    return Failure(kind="budget", message=f"{limit}: {message}", where=f"resource_limits.{limit}")
