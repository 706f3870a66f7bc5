"""Budgets of a day (UTC), by pipeline and by any tag of runs, such as their tenant: over one, nothing is called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from elexirion.events.failure import Failure
from elexirion.events.provider import DayBudgetExceeded
from elexirion.projections.day_usage import DayUsage, Spent

PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """What may be used on a day; None: no limit. With `audit` it is only said that it is spent."""

    cost_usd: float | None = None
    tokens: float | None = None
    audit: bool = False

    def over(self, scope: str, day: date, spent: Spent) -> Iterator[DayBudgetExceeded]:
        """Each limit that is reached."""
        both: tuple[tuple[Literal["cost_usd", "tokens"], float | None, float], ...] = (
            ("cost_usd", self.cost_usd, spent.cost_usd), ("tokens", self.tokens, spent.tokens),
        )  # fmt: skip
        for limit, allowed, used in both:
            if allowed is not None and used >= allowed:
                yield DayBudgetExceeded(
                    scope=scope, day=day, limit=limit, allowed=allowed, used=used, enforced=not self.audit
                )


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """The rules by scope, `TAG:VALUE` or `TAG:*` for each value by itself; `pipeline` is a tag that each run has."""

    of: Mapping[str, BudgetRule] = field(default_factory=dict)

    def rule(self, scope: str) -> BudgetRule | None:
        """The rule of a scope; its own goes before that of its tag."""
        return self.of.get(scope) or self.of.get(f"{scope.partition(':')[0]}:*")

    def scopes(self, pipeline: str | None, tags: Mapping[str, str]) -> tuple[str, ...]:
        """The names under which a run's calls count to a budget."""
        said = {**tags, PIPELINE: pipeline or ""}
        names = (f"{tag}:{value}" for tag, value in sorted(said.items()) if value)
        return tuple(name for name in names if self.rule(name))


def exceeded(usage: DayUsage, rules: BudgetRules, scopes: tuple[str, ...], day: date) -> Iterator[DayBudgetExceeded]:
    """The limits that these scopes have reached."""
    for scope in scopes:
        rule = rules.rule(scope)
        if rule:
            yield from rule.over(scope, day, usage.on(day, scope))


def change(usage: DayUsage, rules: BudgetRules, now: datetime) -> DayBudgetExceeded | None:
    """The next budget to be said spent, once a day each; None where all was said."""
    day = now.date()
    scopes = tuple(scope for when, scope in usage.spent if when == day)
    found = exceeded(usage, rules, scopes, day)
    return next((one for one in found if (one.day, one.scope, one.limit) not in usage.said), None)


def refusal(spent: DayBudgetExceeded, provider: str) -> Failure:
    """What a call over a budget fails with."""
    return Failure(kind="budget", message=f"Budget spent: {told(spent)}", provider=provider)


def told(spent: DayBudgetExceeded) -> str:
    """For people."""
    if spent.limit == "tokens":
        return f"{spent.scope} used {spent.used:.0f} of {spent.allowed:.0f} tokens on {spent.day} (UTC)"
    return f"{spent.scope} used ${spent.used:.2f} of ${spent.allowed:.2f} on {spent.day} (UTC)"
