"""The circuit of a provider and model, as the records of `providers` tell of it. Times are those of the log."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from elexirion.events.provider import CircuitHalfOpened
from elexirion.events.provider_reports import CallReported, ProbeAsked

MOST_FAILURES = 1_000
"""Failures that a closed circuit remembers; no threshold is higher."""
MOST_ASKS = 100

Position = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that failed at `at`; the provider asked to be left alone until `wait_until`, where it said so."""

    at: datetime
    wait_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that would like to be the probe."""

    call_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Circuit:
    """`failures` are those since it was closed; `until` is when an open one lets a probe through.

    `probe` is the call that may try in a half-open one, since `probe_at`; `found` is what it found out.
    """

    position: Position = "closed"
    failures: tuple[Failed, ...] = ()
    until: datetime | None = None
    probe: str | None = None
    probe_at: datetime | None = None
    found: CallReported | None = None
    asks: tuple[Asked, ...] = ()

    def failures_since(self, since: datetime) -> int:
        """How many of them are later than `since`."""
        return sum(failed.at > since for failed in self.failures)


CLOSED = Circuit()


def reported(circuit: Circuit, data: CallReported, at: datetime) -> Circuit:
    """A call ended, or asks no more. Else an open circuit stays as it is: the call was under way when it opened."""
    if any(ask.call_id == data.call_id for ask in circuit.asks):
        circuit = replace(circuit, asks=tuple(ask for ask in circuit.asks if ask.call_id != data.call_id))
    match circuit.position:
        case "closed" if data.outcome == "failed":
            return replace(circuit, failures=(*circuit.failures, _failed(data, at))[-MOST_FAILURES:])
        case "half_open" if data.call_id == circuit.probe and circuit.found is None:
            return replace(circuit, found=data)
        case _:
            return circuit


def asked(circuit: Circuit, data: ProbeAsked, at: datetime) -> Circuit:
    """A call would like to be the probe; asking again keeps its place."""
    if any(ask.call_id == data.call_id for ask in circuit.asks):
        return circuit
    return replace(circuit, asks=(*circuit.asks, Asked(data.call_id, at))[-MOST_ASKS:])


def half_opened(circuit: Circuit, data: CircuitHalfOpened, at: datetime) -> Circuit:
    """One probe may try; the others go on asking."""
    asks = tuple(ask for ask in circuit.asks if ask.call_id != data.probe_call_id)
    return Circuit("half_open", until=circuit.until, probe=data.probe_call_id, probe_at=at, asks=asks)


def _failed(data: CallReported, at: datetime) -> Failed:
    wait_s = data.retry_after_s
    return Failed(at, at + timedelta(seconds=min(wait_s, timedelta(days=1).total_seconds())) if wait_s else None)
