"""Budgets of a day in the way of a call: looked at before it, and told afterwards what it used."""

from datetime import date

import structlog
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.provider_control.followed import FollowedProviders
from elexirion.agents.provider_control.target import Target
from elexirion.agents.resilience.day_budget import BudgetRules, exceeded, refusal, told
from elexirion.agents.steps.port import StepError
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.provider_reports import UsageReported
from elexirion.events.usage import Usage

log = structlog.get_logger(__name__)

READ_BACK_S = 2.0


class DayBudgets:
    """Refuses calls whose budget is spent. Without budgets nothing is looked at and nothing written."""

    def __init__(self, followed: FollowedProviders, rules: BudgetRules, incarnation: str) -> None:
        self._followed = followed
        self._rules = rules
        self._incarnation = incarnation
        self._warned: set[tuple[date, str, str]] = set()

    def check(self, target: Target) -> None:
        """Raises StepError where a budget of the call is spent; one that is only watched is logged once a day."""
        scopes, today = self._scopes(target), utc_now().date()
        for spent in exceeded(self._followed.state.usage, self._rules, scopes, today):
            if spent.enforced:
                raise StepError(refusal(spent, target.provider))
            self._warn(spent.day, spent.scope, spent.limit, told(spent))

    async def used(self, target: Target, usage: Usage, cost_usd: float | None) -> None:
        """Tell all what a call used, and go on once this worker has read it: its next call is checked with it."""
        scopes, tokens = self._scopes(target), usage.input_tokens + usage.output_tokens
        if not scopes or not (tokens or cost_usd):
            return
        data = UsageReported(
            provider=target.provider, model=target.model, call_id=target.call_id, incarnation=self._incarnation,
            scopes=scopes, tokens=tokens, cost_usd=cost_usd,
        )  # fmt: skip
        record = make_record(
            data, id=f"{target.call_id}/used", run_id=f"{target.provider}/{target.model}", at=utc_now(),
            causation_id=target.call_id,
        )  # fmt: skip
        try:
            await self._followed.read_to(await self._followed.append(record), READ_BACK_S)
        except KafkaProblem as problem:
            log.warning("what a call used counts to no budget", call=target.call_id, problem=str(problem))

    def _scopes(self, target: Target) -> tuple[str, ...]:
        return self._rules.scopes(target.pipeline, target.tags) if self._rules.of else ()

    def _warn(self, day: date, scope: str, limit: str, said: str) -> None:
        if (day, scope, limit) not in self._warned:
            self._warned = {one for one in self._warned if one[0] == day} | {(day, scope, limit)}
            log.warning("a budget is spent; it is only watched, calls go on", budget=said)
