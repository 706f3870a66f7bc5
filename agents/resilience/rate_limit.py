"""Rate limits: how many permits may be given out now, so that no minute of the provider holds more than its limit.

A permit is good for a short time. So the calls of any minute were permitted within that minute, or that short time
before it: what is given out within both together never passes the limit. Who asked first gets first.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from elexirion.events.provider import LimitLearned, PermitsGranted
from elexirion.events.record_model import RecordModel
from elexirion.projections.rate import Kind, Queued, Rate

ASK_KEPT_S = 45.0
"""A question that was not said again for so long is that of a worker which is gone."""
SAID_AGAIN_S = 15.0
PREFETCHED = 10
"""Permits that a worker takes in advance, at most, where the limit is far away."""
_FAR = 20


@dataclass(frozen=True, slots=True)
class RateRule:
    """What the settings allow a provider; None: no limit. `minute_s` is how long its minute is, in seconds."""

    requests: float | None = None
    tokens: float | None = None
    minute_s: float = 60.0

    @property
    def valid_s(self) -> float:
        """How long a permit is good, in seconds."""
        return self.minute_s / 20

    @property
    def window(self) -> timedelta:
        """Time within which no more may be given out than the limit; a second is for the way to the provider."""
        return timedelta(seconds=self.minute_s + self.valid_s + max(1.0, self.minute_s / 60))

    def limit(self, rate: Rate, kind: Kind) -> float | None:
        """The limit in force: what the provider told lowers what the settings say and never raises it."""
        said = self.requests if kind == "requests_per_minute" else self.tokens
        lower = rate.lowest(kind)
        return said if said is None or lower is None else min(said, lower)


@dataclass(frozen=True, slots=True)
class RateRules:
    """The rules by provider; one that is not here is not limited."""

    of: dict[str, RateRule] = field(default_factory=dict)


def change(rate: Rate, provider: str, rule: RateRule, now: datetime) -> RecordModel | None:
    """The next decision about a provider's rate; None where there is nothing to decide."""
    for (model, kind), limit in rate.told.items():
        if rate.learned.get((model, kind)) != limit:
            return LimitLearned(provider=provider, model=model, kind=kind, limit=limit)
    if rate.paused_until and rate.paused_until > now:
        return None
    ask = next((one for one in rate.queue if one.at > now - timedelta(seconds=ASK_KEPT_S)), None)
    calls = _free(rate, rule, ask, now) if ask else 0
    if ask is None or calls == 0:
        return None
    return PermitsGranted(
        provider=provider, incarnation=ask.incarnation, ask_id=ask.ask_id, calls=calls, tokens=ask.tokens,
        valid_s=rule.valid_s,
    )  # fmt: skip


def prefetch(rate: Rate, rule: RateRule, now: datetime) -> int:
    """How many permits to ask for beyond those needed now, so that not each call costs a question."""
    limit = rule.limit(rate, "requests_per_minute")
    if limit is None:
        return PREFETCHED if rule.tokens is None else 0
    calls, _ = rate.used_since(now - rule.window)
    waiting = sum(one.calls for one in rate.queue)
    return max(0, min(PREFETCHED, int((limit - calls - waiting) // _FAR)))


def _free(rate: Rate, rule: RateRule, ask: Queued, now: datetime) -> int:
    calls, tokens = rate.used_since(now - rule.window)
    free = ask.calls
    requests = rule.limit(rate, "requests_per_minute")
    if requests is not None:
        free = min(free, int(requests) - calls)
    most = rule.limit(rate, "tokens_per_minute")
    if most is not None and ask.tokens:
        # A call larger than the limit is made alone, or it would wait for ever.
        free = min(free, max(int((most - tokens) // ask.tokens), 1 if tokens <= 0 else 0))
    return max(0, free)
