"""What happens next about what all runs share: `decide(state, rules, facts) -> records`. Pure.

Decisions are numbered and chained over the whole topic; each is one record. Nothing to do is an empty list.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from elexirion.agents.resilience import circuit_breaker, day_budget, rate_limit
from elexirion.agents.resilience.circuit_breaker import BreakerRule
from elexirion.agents.resilience.day_budget import BudgetRules
from elexirion.agents.resilience.rate_limit import RateRules
from elexirion.events.envelope import Record, make_decision
from elexirion.events.record_model import RecordModel
from elexirion.projections.providers import Providers, apply

BATCH = 64


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say."""

    breaker: BreakerRule = field(default_factory=BreakerRule)
    rates: RateRules = field(default_factory=RateRules)
    budgets: BudgetRules = field(default_factory=BudgetRules)


@dataclass(frozen=True, slots=True)
class Facts:
    """What comes from outside of the log's state."""

    now: datetime
    author: str


def decide(state: Providers, rules: Rules, facts: Facts) -> list[Record]:
    """The next decisions, in order."""
    records: list[Record] = []
    while len(records) < BATCH:
        found = next(_possible(state, rules, facts.now), None)
        if found is None:
            break
        key, data = found
        record = make_decision(
            data, run_id=key, seq=state.seq + 1, prev=state.last, author=facts.author, at=facts.now,
            causation_id=state.last,
        )  # fmt: skip
        state = apply(state, record, facts.now)
        records.append(record)
    return records


def pending(state: Providers) -> bool:
    """Whether time alone may bring the next decision."""
    return any(circuit.asks for circuit in state.circuits.values()) or any(rate.queue for rate in state.rates.values())


def circuit_key(provider: str, model: str) -> str:
    """The key of the records about a provider and model."""
    return f"{provider}/{model}"


def rate_key(provider: str) -> str:
    """The key of the records about a provider's rate."""
    return f"{provider}/rate"


def _possible(state: Providers, rules: Rules, now: datetime) -> Iterator[tuple[str, RecordModel]]:
    for (provider, model), circuit in state.circuits.items():
        data = circuit_breaker.change(circuit, provider, model, rules.breaker, now)
        if data:
            yield circuit_key(provider, model), data
    for provider, rule in rules.rates.of.items():
        data = rate_limit.change(state.rate(provider), provider, rule, now)
        if data:
            yield rate_key(provider), data
    spent = day_budget.change(state.usage, rules.budgets, now)
    if spent:
        yield f"budget/{spent.scope}", spent
