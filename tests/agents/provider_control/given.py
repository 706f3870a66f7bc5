"""The topic `providers` on paper: reports by workers, decisions by owners, seconds for a clock."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from elexirion.agents.decisions.providers import Facts, Rules, circuit_key, decide
from elexirion.events.envelope import Record, make_record
from elexirion.events.provider_reports import CallReported, ProbeAsked
from elexirion.events.record_model import RecordModel
from elexirion.projections.circuit import Circuit
from elexirion.projections.providers import Providers, apply

from tests.events.examples import AT

MODEL = ("claude", "sonnet")


def after(seconds: float) -> datetime:
    """The time so many seconds after the start."""
    return AT + timedelta(seconds=seconds)


@dataclass
class Paper:
    """A topic that is always read to its end; `records` is all that was written."""

    rules: Rules = field(default_factory=Rules)
    state: Providers = field(default_factory=Providers)
    records: list[tuple[Record, datetime]] = field(default_factory=list)
    now: float = 0.0

    @property
    def circuit(self) -> Circuit:
        """The circuit of the model that all calls here are for."""
        return self.state.circuit(*MODEL)

    def write(self, record: Record) -> None:
        """Append a record, accepted or not."""
        self.records.append((record, after(self.now)))
        self.state = apply(self.state, record, after(self.now))

    def report(self, data: RecordModel, id: str = "") -> None:
        """Append what a worker says."""
        id = id or f"report-{len(self.records)}"
        self.write(make_record(data, id=id, run_id=circuit_key(*MODEL), at=after(self.now)))

    def failed(self, *call_ids: str, kind: str = "overloaded", retry_after_s: float | None = None) -> None:
        """Calls fail."""
        for call_id in call_ids:
            self.ended(call_id, "failed", kind, retry_after_s)

    def ended(self, call_id: str, outcome: str, kind: str | None = None, retry_after_s: float | None = None) -> None:
        """A call ends."""
        said = {"call_id": call_id, "outcome": outcome, "kind": kind, "retry_after_s": retry_after_s}
        of = {"provider": MODEL[0], "model": MODEL[1], "incarnation": "w1"}
        self.report(CallReported.model_validate(of | said))

    def asks(self, call_id: str) -> None:
        """A call would like to be the probe."""
        self.report(ProbeAsked(provider=MODEL[0], model=MODEL[1], incarnation="w1", call_id=call_id))

    def decided(self, author: str = "owner-a") -> list[RecordModel]:
        """What the owner decides now; it is written."""
        records = decide(self.state, self.rules, Facts(after(self.now), author))
        for record in records:
            self.write(record)
        return [record.data for record in records if isinstance(record.data, RecordModel)]
