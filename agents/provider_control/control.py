"""All policies of a provider call, in the order in which they are passed. A call without a network passes none."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from elexirion.agents.decisions.providers import Rules
from elexirion.agents.provider_control.breaker import CircuitBreaker
from elexirion.agents.provider_control.budgets import DayBudgets
from elexirion.agents.provider_control.followed import FollowedProviders
from elexirion.agents.provider_control.permits import Permit, Permits
from elexirion.agents.provider_control.target import Target
from elexirion.agents.providers.port import ProviderFailed, ProviderResult
from elexirion.agents.providers.rate_headers import RateLimits
from elexirion.agents.resilience.circuit_breaker import BreakerRule, refusal
from elexirion.agents.resilience.day_budget import BudgetRule, BudgetRules
from elexirion.agents.resilience.rate_limit import RateRule, RateRules
from elexirion.agents.settings import Settings
from elexirion.agents.steps.port import StepError

Ask = Callable[[], Awaitable[ProviderResult]]


class ProviderControl(Protocol):
    """What stands between a step's call and its provider."""

    async def before_start(self, provider: str, execution_id: str) -> None:
        """Wait until the execution may start: its first call will not have to wait for its turn."""
        ...

    async def governed(self, target: Target, ask: Ask) -> ProviderResult:
        """What `ask` gives, where the policies let it; raises StepError where they do not."""
        ...

    def ended(self, execution_id: str) -> None:
        """The execution makes no more calls."""
        ...


class SharedControl:
    """The policies that all runs share."""

    def __init__(
        self, followed: FollowedProviders, budgets: DayBudgets, breaker: CircuitBreaker, permits: Permits
    ) -> None:
        self._followed = followed
        self._budgets = budgets
        self._breaker = breaker
        self._permits = permits
        self._kept: dict[str, Permit] = {}

    async def before_start(self, provider: str, execution_id: str) -> None:
        """Wait in line for the first call's permit. The step has not started, so its time does not run.

        Where a circuit of the provider is not closed nobody waits: the call may be refused, and that at once.
        """
        if self._permits.limited(provider) and not self._unwell(provider):
            self._kept[execution_id] = await self._permits.acquire(provider)

    async def governed(self, target: Target, ask: Ask) -> ProviderResult:
        """Budgets of the day, circuit breaker, rate limit, call."""
        self._budgets.check(target)
        async with self._breaker.around(target):
            permit = await self._permitted(target)
            try:
                result = await ask()
            except StepError as error:
                await self._failed(target, error)
                raise
            if permit:
                self._permits.settle(permit, result.usage.input_tokens + result.usage.output_tokens)
            await self._budgets.used(target, result.usage, result.cost_usd)
            await self._told(target, result.rate_limits)
            return result

    def ended(self, execution_id: str) -> None:
        """Give back what was not used."""
        permit = self._kept.pop(execution_id, None)
        if permit:
            self._permits.give_back(permit)

    async def stop(self) -> None:
        """Ask for nothing more."""
        await self._permits.stop()

    async def _permitted(self, target: Target) -> Permit | None:
        if not self._permits.limited(target.provider):
            return None
        kept = self._kept.pop(target.execution_id, None)
        if kept and kept.good:
            return kept
        permit = await self._permits.acquire(target.provider, first=True)
        refused = self._breaker.refuses(target)  # it may have opened meanwhile
        if refused:
            self._permits.give_back(permit)
            raise StepError(refusal(target.provider, refused.retry_after_s))
        return permit

    async def _failed(self, target: Target, error: StepError) -> None:
        await self._budgets.used(target, error.usage, error.cost_usd)
        if isinstance(error.__cause__, ProviderFailed):
            await self._told(target, error.__cause__.rate_limits)

    async def _told(self, target: Target, limits: RateLimits) -> None:
        both = [one.limit for one in (limits.input_tokens, limits.output_tokens) if one and one.limit]
        tokens = limits.tokens.limit if limits.tokens else sum(both) or None
        requests = limits.requests.limit if limits.requests else None
        await self._permits.told(target.provider, target.model, "requests_per_minute", requests)
        await self._permits.told(target.provider, target.model, "tokens_per_minute", tokens)

    def _unwell(self, provider: str) -> bool:
        circuits = self._followed.state.circuits.items()
        return any(name == provider and one.position != "closed" for (name, _), one in circuits)


def control_rules(settings: Settings) -> Rules:
    """What the settings say of circuits, rates and budgets."""
    breaker = BreakerRule(settings.circuit_threshold, settings.circuit_window_s, settings.circuit_recovery_s)
    rates: dict[str, RateRule] = {
        provider: RateRule(limit.requests_per_minute, limit.tokens_per_minute, settings.rate_minute_s)
        for provider, limit in settings.rate_limits.items()
    }
    budgets = {
        scope: BudgetRule(budget.cost_usd, budget.tokens, budget.audit) for scope, budget in settings.budgets.items()
    }
    return Rules(breaker, RateRules(rates), BudgetRules(budgets))


def shared_control(followed: FollowedProviders, settings: Settings, incarnation: str) -> SharedControl:
    """The policies as the settings want them, over what this process has read."""
    rules = control_rules(settings)
    return SharedControl(
        followed,
        DayBudgets(followed, rules.budgets, incarnation),
        CircuitBreaker(followed, rules.breaker, incarnation),
        Permits(followed, rules.rates, incarnation),
    )
