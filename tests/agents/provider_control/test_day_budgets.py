"""What is said about budgets of a day, given what workers reported as used."""

from datetime import date

import pytest
from elexirion.agents.decisions.providers import Rules
from elexirion.agents.resilience.day_budget import BudgetRule, BudgetRules, exceeded, refusal
from elexirion.agents.settings import Settings
from elexirion.events.provider import DayBudgetExceeded
from elexirion.events.provider_reports import UsageReported
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.agents.provider_control.given import Paper
from tests.events.examples import AT

DAY = AT.date()
A_DAY_S = 86_400.0


def paper(**rules: BudgetRule) -> Paper:
    return Paper(Rules(budgets=BudgetRules({scope.replace("_", ":"): rule for scope, rule in rules.items()})))


def uses(on: Paper, *scopes: str, tokens: int = 0, cost_usd: float | None = None) -> None:
    on.report(
        UsageReported(
            provider="claude", model="sonnet", call_id="c", incarnation="w", scopes=scopes, tokens=tokens,
            cost_usd=cost_usd,
        )
    )  # fmt: skip


def over(on: Paper, scope: str, day: date = DAY) -> list[str]:
    """The limits that a call under this name would be refused for, or warned of."""
    return [found.limit for found in exceeded(on.state.usage, on.rules.budgets, (scope,), day)]


def test_a_budget_is_said_to_be_spent_once_on_a_day() -> None:
    on = paper(pipeline_story=BudgetRule(cost_usd=1.0))
    uses(on, "pipeline:story", cost_usd=0.6)
    assert (on.decided(), over(on, "pipeline:story")) == ([], [])
    uses(on, "pipeline:story", cost_usd=0.6)
    assert over(on, "pipeline:story") == ["cost_usd"]
    [spent] = on.decided()
    assert spent == DayBudgetExceeded(scope="pipeline:story", day=DAY, limit="cost_usd", allowed=1.0, used=1.2)
    uses(on, "pipeline:story", cost_usd=0.6)
    assert on.decided() == []


def test_the_next_day_begins_with_nothing_used() -> None:
    on = paper(tenant_acme=BudgetRule(tokens=10))
    uses(on, "tenant:acme", tokens=10)
    on.decided()
    on.now = A_DAY_S
    tomorrow = date(DAY.year, DAY.month, DAY.day + 1)
    assert over(on, "tenant:acme", tomorrow) == []
    uses(on, "tenant:acme", tokens=10)
    assert over(on, "tenant:acme", tomorrow) == ["tokens"]
    assert len(on.decided()) == 1


def test_each_value_of_a_tag_has_its_own_budget_and_one_of_its_own_goes_before() -> None:
    on = paper(**{"tenant_*": BudgetRule(tokens=10), "tenant_acme": BudgetRule(tokens=100)})
    for tenant in ("acme", "other", "third"):
        uses(on, f"tenant:{tenant}", tokens=10 if tenant != "third" else 9)
    assert [over(on, f"tenant:{tenant}") for tenant in ("acme", "other", "third")] == [[], ["tokens"], []]


def test_a_call_counts_to_its_pipeline_and_to_each_tag_that_has_a_budget() -> None:
    rules = BudgetRules({"pipeline:*": BudgetRule(tokens=1), "tenant:acme": BudgetRule(tokens=1)})
    assert rules.scopes("story", {"tenant": "acme", "team": "docs"}) == ("pipeline:story", "tenant:acme")
    assert rules.scopes("story", {"tenant": "other", "pipeline": "a lie"}) == ("pipeline:story",)
    assert BudgetRules({}).scopes("story", {"tenant": "acme"}) == ()


def test_a_budget_that_is_only_watched_is_said_and_not_enforced() -> None:
    on = paper(pipeline_story=BudgetRule(tokens=5, audit=True))
    uses(on, "pipeline:story", tokens=7)
    [spent] = on.decided()
    assert isinstance(spent, DayBudgetExceeded)
    assert not spent.enforced


def test_calls_without_a_known_price_count_by_their_tokens_alone() -> None:
    on = paper(pipeline_story=BudgetRule(cost_usd=0.5, tokens=5))
    uses(on, "pipeline:story", tokens=7, cost_usd=None)
    assert over(on, "pipeline:story") == ["tokens"]


def test_a_budget_that_was_raised_lets_calls_through_again() -> None:
    on = paper(tenant_acme=BudgetRule(tokens=10))
    uses(on, "tenant:acme", tokens=10)
    on.decided()
    on.rules = Rules(budgets=BudgetRules({"tenant:acme": BudgetRule(tokens=20)}))
    assert over(on, "tenant:acme") == []


def test_the_failure_says_whose_budget_is_spent_and_is_not_tried_again() -> None:
    spent = DayBudgetExceeded(scope="tenant:acme", day=DAY, limit="cost_usd", allowed=5.0, used=5.0125)
    failure = refusal(spent, "claude")
    assert (failure.kind, failure.transient) == ("budget", False)
    assert failure.message == f"Budget spent: tenant:acme used $5.01 of $5.00 on {DAY} (UTC)"


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 50)), max_size=30), st.integers(1, 200))
def test_calls_that_are_looked_at_one_after_another_pass_a_budget_by_their_last_one_at_most(
    calls: list[tuple[str, int]], tokens: int
) -> None:
    on = paper(tenant_a=BudgetRule(tokens=tokens))
    made: list[int] = []
    for tenant, used in calls:
        if not over(on, f"tenant:{tenant}"):
            uses(on, f"tenant:{tenant}", tokens=used)
            made += [used] if tenant == "a" else []
    assert sum(made[:-1]) < tokens


def test_settings_that_name_no_budget_are_refused() -> None:
    with pytest.raises(ValidationError, match="budgets"):
        Settings(budgets={"acme": {"tokens": 5}}, _env_file=None)  # type: ignore[arg-type]  # as the environment says it
    with pytest.raises(ValidationError, match="extra"):
        Settings(budgets={"tenant:acme": {"dollars": 5}}, _env_file=None)  # type: ignore[arg-type]  # likewise
