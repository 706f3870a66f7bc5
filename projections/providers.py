"""What all runs share about providers: the fold of the topic `providers`. Its decisions are numbered and chained.

Whoever believes to own the partition may append decisions; the fold says which count: the next in number that names
the one before. The topic forgets old records and readers begin in its middle, so a chain may also be taken up there.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from elexirion.events.envelope import Record
from elexirion.events.provider import (
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpened,
    DayBudgetExceeded,
    LimitLearned,
    PermitsGranted,
)
from elexirion.events.provider_reports import CallReported, LimitReported, PermitsAsked, ProbeAsked, UsageReported
from elexirion.projections import circuit as circuits
from elexirion.projections import day_usage
from elexirion.projections import rate as rates
from elexirion.projections.circuit import CLOSED, Circuit
from elexirion.projections.day_usage import DayUsage
from elexirion.projections.rate import Rate

HORIZON = timedelta(hours=25)
"""How far back a reader begins; a day's budget needs no more."""
FORGOTTEN = timedelta(hours=24)
"""After so long a silence of the chain another one may begin: new readers know nothing of the old one."""
REMEMBERED_IDS = 256

Of = tuple[str, str]
"""Provider and model."""


@dataclass(frozen=True, slots=True)
class Providers:
    """`seq` and `last` are the number and id of the last accepted decision, made at `decided_at`.

    `seen` holds the ids of the last decisions, accepted or not. `at` is the log's time of the last record.
    """

    seq: int = 0
    last: str | None = None
    decided_at: datetime | None = None
    seen: tuple[str, ...] = ()
    at: datetime | None = None
    circuits: dict[Of, Circuit] = field(default_factory=dict)
    rates: dict[str, Rate] = field(default_factory=dict)
    usage: DayUsage = field(default_factory=DayUsage)

    def circuit(self, provider: str, model: str) -> Circuit:
        """The circuit of this provider and model; one that nothing was heard of is closed."""
        return self.circuits.get((provider, model), CLOSED)

    def rate(self, provider: str) -> Rate:
        """How fast this provider is called."""
        return self.rates.get(provider, Rate())


def apply(state: Providers, record: Record, at: datetime) -> Providers:
    """The state after a record that the log dates `at`; what is refused changes nothing but what was seen."""
    state = replace(state, at=at)
    match record.data:
        case CallReported(provider=provider, model=model) as report:
            state = _rated(state, provider, rates.refused(state.rate(provider), report, at))
            return _with(state, provider, model, circuits.reported(state.circuit(provider, model), report, at))
        case ProbeAsked(provider=provider, model=model) as ask:
            return _with(state, provider, model, circuits.asked(state.circuit(provider, model), ask, at))
        case PermitsAsked(provider=provider) as permits:
            return _rated(state, provider, rates.asked(state.rate(provider), permits, at))
        case LimitReported(provider=provider) as limit:
            return _rated(state, provider, rates.told(state.rate(provider), limit))
        case UsageReported() as used:
            return replace(state, usage=day_usage.used(state.usage, used, at))
        case _ if record.seq is None:
            return state
        case _:
            return _decided(state, record, at)


def _decided(state: Providers, record: Record, at: datetime) -> Providers:
    accepted = _counts(state, record, at)
    state = replace(state, seen=(*state.seen, record.id)[-REMEMBERED_IDS:])
    if not accepted:
        return state
    state = replace(state, seq=record.seq or 0, last=record.id, decided_at=at)
    match record.data:
        case CircuitOpened(provider=provider, model=model, until=until):
            return _with(state, provider, model, Circuit("open", until=until))
        case CircuitHalfOpened(provider=provider, model=model) as half:
            return _with(state, provider, model, circuits.half_opened(state.circuit(provider, model), half, at))
        case CircuitClosed(provider=provider, model=model):
            return _with(state, provider, model, CLOSED)
        case PermitsGranted(provider=provider) as granted:
            return _rated(state, provider, rates.granted(state.rate(provider), granted, state.seq, at))
        case LimitLearned(provider=provider) as limit:
            return _rated(state, provider, rates.learned(state.rate(provider), limit))
        case DayBudgetExceeded() as spent:
            return replace(state, usage=day_usage.said(state.usage, spent))
        case _:  # a decision of later code counts in the chain
            return state


def _counts(state: Providers, record: Record, at: datetime) -> bool:
    if state.last is None or state.decided_at is None or at - state.decided_at >= FORGOTTEN:
        return True
    if record.prev == state.last:
        return record.seq == state.seq + 1
    # What it follows was there before this reader began, or was forgotten by the topic.
    unknown = record.prev is not None and record.prev not in state.seen
    return unknown and (record.seq or 0) > state.seq


def _with(state: Providers, provider: str, model: str, circuit: Circuit) -> Providers:
    others = {of: one for of, one in state.circuits.items() if of != (provider, model)}
    return replace(state, circuits=others if circuit == CLOSED else {**others, (provider, model): circuit})


def _rated(state: Providers, provider: str, rate: Rate) -> Providers:
    if rate == state.rates.get(provider, Rate()):
        return state
    return replace(state, rates={**state.rates, provider: rate})
