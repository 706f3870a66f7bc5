"""The envelope: what every record carries around its data."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from elexirion.events import catalog, identifiers
from elexirion.events.record_model import RecordModel


@dataclass(frozen=True, slots=True)
class UnknownData:
    """Data of a type or version this code does not know: a value, never a crash."""

    type: str
    version: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic.

    `seq` and `prev` stand on decisions only. `at` is UTC. `raw` is the data as written, before upcasting: the
    context's digest is made of it. `offline` marks everything a run without a network produced.
    """

    type: str
    version: int
    id: str
    run_id: str
    at: datetime
    data: RecordModel | UnknownData
    raw: dict[str, Any] = field(repr=False)
    seq: int | None = None
    prev: str | None = None
    causation_id: str | None = None
    correlation_id: str | None = None
    offline: bool = False

    @property
    def known(self) -> bool:
        """Whether this code knows the record's type and version."""
        return not isinstance(self.data, UnknownData)


def _of_the_machine() -> datetime:
    return datetime.now(UTC)


wall_clock: ContextVar[Callable[[], datetime]] = ContextVar("wall_clock", default=_of_the_machine)
"""Where `utc_now` reads the time; a simulation of several processes gives each a clock of its own."""


def utc_now() -> datetime:
    """The wall clock in UTC."""
    return wall_clock.get()()


def utc_text(at: datetime) -> str:
    """`at` as ISO 8601 in UTC with microseconds and a Z."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def make_record(
    data: RecordModel,
    *,
    id: str,
    run_id: str,
    at: datetime,
    causation_id: str | None = None,
    correlation_id: str | None = None,
    offline: bool = False,
) -> Record:
    """A record that is not a decision, of the present version of its type."""
    entry = catalog.BY_MODEL[type(data)]
    return Record(
        type=entry.name, version=entry.version, id=id, run_id=run_id, at=at, data=data,
        raw=data.model_dump(mode="json"), causation_id=causation_id, correlation_id=correlation_id,
        offline=offline,
    )  # fmt: skip


def make_decision(
    data: RecordModel,
    *,
    run_id: str,
    seq: int,
    prev: str | None,
    author: str,
    at: datetime,
    causation_id: str | None = None,
    correlation_id: str | None = None,
    offline: bool = False,
) -> Record:
    """A numbered decision chained to `prev`; its id covers all it says and who says it."""
    entry = catalog.BY_MODEL[type(data)]
    raw = data.model_dump(mode="json")
    record_id = identifiers.decision_id(run_id, seq, prev, author, utc_text(at), [entry.name, raw])
    return Record(
        type=entry.name, version=entry.version, id=record_id, run_id=run_id, at=at, data=data, raw=raw,
        seq=seq, prev=prev, causation_id=causation_id, correlation_id=correlation_id, offline=offline,
    )  # fmt: skip
