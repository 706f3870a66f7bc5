"""How fast a provider is called: who asked for permits, what was granted and used. Times are those of the log."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from elexirion.events.provider import LimitLearned, PermitsGranted
from elexirion.events.provider_reports import CallReported, LimitReported, PermitsAsked

KEPT = timedelta(minutes=5)
"""What is older counts in no window."""
MOST_GRANTS = 256
LONGEST_PAUSE = timedelta(minutes=10)

Kind: TypeAlias = Literal["requests_per_minute", "tokens_per_minute"]
Told: TypeAlias = tuple[str, Kind]
"""Model and kind of a limit."""


@dataclass(frozen=True, slots=True)
class Queued:
    """Calls that wait for permits; `at` is when their worker last said that they do."""

    ask_id: str
    incarnation: str
    calls: int
    tokens: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Used:
    """What was granted, or settled afterwards, at a time: calls, and tokens of all of them together."""

    at: datetime
    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Grant:
    """An accepted grant; `seq` is its number in the chain."""

    seq: int
    at: datetime
    data: PermitsGranted


@dataclass(frozen=True, slots=True)
class Rate:
    """One provider's. `queue` is in the order of the log; `told` and `learned` are limits by model and kind."""

    queue: tuple[Queued, ...] = ()
    used: tuple[Used, ...] = ()
    grants: tuple[Grant, ...] = ()
    told: dict[Told, float] = field(default_factory=dict)
    learned: dict[Told, float] = field(default_factory=dict)
    paused_until: datetime | None = None

    def used_since(self, since: datetime) -> tuple[int, int]:
        """Calls and tokens."""
        recent = [used for used in self.used if used.at > since]
        return sum(used.calls for used in recent), sum(used.tokens for used in recent)

    def lowest(self, kind: Kind) -> float | None:
        """The lowest limit of this kind that was learned for any model."""
        return min((limit for (_, one), limit in self.learned.items() if one == kind), default=None)


def asked(rate: Rate, data: PermitsAsked, at: datetime) -> Rate:
    """A worker asks, says again that it waits, or takes its question back (0 calls)."""
    used = (Used(at, 0, data.settled_tokens),) if data.settled_tokens else ()
    known = any(one.ask_id == data.ask_id for one in rate.queue)
    mine = Queued(data.ask_id, data.incarnation, data.calls, data.tokens, at)
    queue = tuple(mine if one.ask_id == data.ask_id else one for one in rate.queue) if known else (*rate.queue, mine)
    return _pruned(replace(rate, queue=tuple(one for one in queue if one.calls), used=rate.used + used), at)


def granted(rate: Rate, data: PermitsGranted, seq: int, at: datetime) -> Rate:
    """Permits were given out: they count as used from now on."""
    queue = tuple(
        replace(one, calls=max(0, one.calls - data.calls)) if one.ask_id == data.ask_id else one for one in rate.queue
    )
    used = (*rate.used, Used(at, data.calls, data.calls * data.tokens))
    grants = (*rate.grants, Grant(seq, at, data))[-MOST_GRANTS:]
    return _pruned(replace(rate, queue=tuple(one for one in queue if one.calls), used=used, grants=grants), at)


def told(rate: Rate, data: LimitReported) -> Rate:
    """A worker heard of a limit."""
    return replace(rate, told={**rate.told, (data.model, data.kind): data.limit})


def learned(rate: Rate, data: LimitLearned) -> Rate:
    """It counts."""
    return replace(rate, learned={**rate.learned, (data.model, data.kind): data.limit})


def refused(rate: Rate, data: CallReported, at: datetime) -> Rate:
    """The provider asked to be left alone for a while."""
    if data.kind != "rate_limited" or not data.retry_after_s:
        return rate
    until = at + min(timedelta(seconds=min(data.retry_after_s, 86_400.0)), LONGEST_PAUSE)
    return replace(rate, paused_until=max(until, rate.paused_until or until))


def _pruned(rate: Rate, at: datetime) -> Rate:
    if not rate.used or rate.used[0].at > at - KEPT:
        return rate
    return replace(rate, used=tuple(used for used in rate.used if used.at > at - KEPT))
