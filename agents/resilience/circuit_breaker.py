"""The circuit breaker: when a circuit changes, and what that means to a call. One circuit a provider and model.

Closed, it opens once so many calls failed within a time; open, it refuses; after a while it lets one probe through,
whose outcome closes it or opens it again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, assert_never

from elexirion.events.failure import Failure, FailureKind
from elexirion.events.provider import CircuitClosed, CircuitHalfOpened, CircuitOpened
from elexirion.events.record_model import RecordModel
from elexirion.projections.circuit import Circuit, Failed

MESSAGE = "Circuit breaker open"
LONGEST_RETRY_AFTER_S = 600.0
"""A provider may keep its circuit open for so long by its Retry-After."""
ASK_KEPT_S = 10.0
"""Seconds for which a call waits for the probe's right or outcome, and for which its question stands."""
PROBE_KEPT_S = 30.0
"""Seconds after which a probe of which nothing was heard expires, or after the recovery time if that is longer."""

UNWELL: frozenset[FailureKind] = frozenset(
    {
        "rate_limited", "overloaded", "timeout_connect", "timeout_first_byte", "timeout_idle", "timeout_total",
        "connection", "cut_stream", "bad_response",
    }
)  # fmt: skip
"""Kinds that tell of a provider that is not well."""
ANSWERED: frozenset[FailureKind] = frozenset(
    {"invalid_request", "auth", "content_filtered", "context_length", "budget", "schema_mismatch"}
)
"""Kinds by which a provider that is well refuses: a wrong request, a bad key, spent credit (as 400 or as 402)."""


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """Opens after `threshold` failures within `window_s`, for `recovery_s`. A threshold of 0: never, and for nobody."""

    threshold: int = 5
    window_s: float = 60.0
    recovery_s: float = 30.0

    def tripped(self, circuit: Circuit, now: datetime) -> bool:
        """Whether a closed circuit has had enough."""
        return 0 < self.threshold <= circuit.failures_since(now - timedelta(seconds=self.window_s))


@dataclass(frozen=True, slots=True)
class Pass:
    """The call may be made; `probe` says that it is the one by which all others will know."""

    probe: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call is not made; it may be worth another try in `retry_after_s` seconds."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """The answer comes within a moment; `ask` says that the call should ask to be the probe meanwhile."""

    ask: bool = False


Outcome: TypeAlias = Literal["answered", "failed", "unclear"]
Verdict: TypeAlias = Pass | Refuse | Wait


def verdict(circuit: Circuit, call_id: str, rule: BreakerRule, now: datetime) -> Verdict:
    """What the circuit means to a call that wants to be made now."""
    if rule.threshold == 0:
        return Pass()
    match circuit.position:
        case "closed":
            # Everyone counts the same reports, so nobody goes on until the owner's decision is there.
            return Refuse(rule.recovery_s) if rule.tripped(circuit, now) else Pass()
        case "open":
            left = (circuit.until - now).total_seconds() if circuit.until else 0.0
            return Refuse(left) if left > 0 else Wait(ask=True)
        case "half_open":
            if circuit.probe == call_id and circuit.found is None:
                return Pass(probe=True)
            return Wait(ask=True)
        case _:
            assert_never(circuit.position)


def change(circuit: Circuit, provider: str, model: str, rule: BreakerRule, now: datetime) -> RecordModel | None:
    """The next decision about a circuit; None where it stays as it is."""
    if rule.threshold == 0:
        return CircuitClosed(provider=provider, model=model) if circuit.position != "closed" else None
    match circuit.position:
        case "closed" if rule.tripped(circuit, now):
            return _open(circuit.failures, provider, model, rule, now)
        case "closed":
            # A worker that heard of an open circuit which nobody else remembers.
            return CircuitClosed(provider=provider, model=model) if circuit.asks else None
        case "open":
            return _probe(circuit, provider, model, now) if circuit.until is None or circuit.until <= now else None
        case "half_open":
            return _after_probe(circuit, provider, model, rule, now)
        case _:
            assert_never(circuit.position)


def outcome(failure: Failure, spoke: bool) -> Outcome:
    """What a failed call says of its provider's health; `spoke`: text had come before it failed.

    A provider that talks and is not done in the time that a step allows is well.
    """
    if failure.kind in ANSWERED or (failure.kind == "timeout_total" and spoke):
        return "answered"
    return "failed" if failure.kind in UNWELL else "unclear"


def refusal(provider: str, retry_after_s: float) -> Failure:
    """What a refused call fails with."""
    return Failure(kind="circuit_open", message=MESSAGE, provider=provider, retry_after_s=max(0.0, retry_after_s))


def _open(failures: tuple[Failed, ...], provider: str, model: str, rule: BreakerRule, now: datetime) -> CircuitOpened:
    asked = max((failed.wait_until for failed in failures if failed.wait_until), default=now)
    longest = now + timedelta(seconds=LONGEST_RETRY_AFTER_S)
    until = max(now + timedelta(seconds=rule.recovery_s), min(asked, longest))
    return CircuitOpened(provider=provider, model=model, failures=len(failures), until=until)


def _probe(circuit: Circuit, provider: str, model: str, now: datetime) -> CircuitHalfOpened | None:
    fresh = now - timedelta(seconds=ASK_KEPT_S)
    ask = next((ask for ask in circuit.asks if ask.at > fresh), None)
    return CircuitHalfOpened(provider=provider, model=model, probe_call_id=ask.call_id) if ask else None


def _after_probe(circuit: Circuit, provider: str, model: str, rule: BreakerRule, now: datetime) -> RecordModel | None:
    found = circuit.found
    if found is None:
        kept = timedelta(seconds=max(PROBE_KEPT_S, rule.recovery_s))
        expired = circuit.probe_at is None or circuit.probe_at + kept <= now
        return _probe(circuit, provider, model, now) if expired else None
    match found.outcome:
        case "answered":
            return CircuitClosed(provider=provider, model=model)
        case "failed":
            wait = timedelta(seconds=found.retry_after_s or 0.0)
            return _open((Failed(now, now + wait),), provider, model, rule, now)
        case "unclear":
            return _probe(circuit, provider, model, now)
        case _:
            assert_never(found.outcome)
