"""What was used on a day (UTC), by the names of budgets. The days are those of the log."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TypeAlias

from elexirion.events.provider import DayBudgetExceeded
from elexirion.events.provider_reports import UsageReported

Said: TypeAlias = tuple[date, str, str]
"""Day, scope and limit of a budget that was said to be spent."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens, and US dollars of the calls whose price is known."""

    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class DayUsage:
    """Today's and yesterday's, by day and scope; `said` are the budgets that were found spent."""

    spent: dict[tuple[date, str], Spent] = field(default_factory=dict)
    said: frozenset[Said] = frozenset()

    def on(self, day: date, scope: str) -> Spent:
        """What was used on the day under this name."""
        return self.spent.get((day, scope), Spent())


def used(usage: DayUsage, data: UsageReported, at: datetime) -> DayUsage:
    """A call used something."""
    day = at.date()
    spent = {key: value for key, value in usage.spent.items() if key[0] >= day - timedelta(days=1)}
    for scope in data.scopes:
        before = spent.get((day, scope), Spent())
        spent[day, scope] = Spent(before.tokens + data.tokens, before.cost_usd + (data.cost_usd or 0.0))
    return replace(usage, spent=spent)


def said(usage: DayUsage, data: DayBudgetExceeded) -> DayUsage:
    """A budget was found spent."""
    kept = {one for one in usage.said if one[0] >= data.day - timedelta(days=1)}
    return replace(usage, said=frozenset(kept | {(data.day, data.scope, data.limit)}))
