"""What each execution of a run took and cost, read off its records; every number has its positions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from elexirion.events.envelope import Record
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.step import (
    Report,
    StepCompleted,
    StepFailed,
    StepOrphaned,
    StepScheduled,
    StepStarted,
    StepTimedOut,
    ToolCalled,
    ToolReturned,
)
from elexirion.projections.admission import closes_an_execution
from elexirion.projections.replay import Logged
from elexirion.projections.run_fold import RunFold
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Execution, add_cost


@dataclass(frozen=True, slots=True)
class Noted:
    """A record of a run. `position` is None where it does not count.

    `at` is when its writer wrote it; among those that count it never goes back, though clocks differ.
    """

    record: Record
    position: int | None
    at: datetime
    state: RunState | None


@dataclass(frozen=True, slots=True)
class Try:
    """One execution. Times in seconds, costs in US dollars (None: a price is not known), `positions` are events.

    `provider_s` is spent in calls of a provider; `first_chunk_s` is from the first call to its first text.
    `repeated_cost_usd` was spent and is part of no total, since the execution was given up; `unanswered` calls
    of it have a cost that nobody knows. `lost_s` is its whole time where no result of it counts.
    """

    id: str
    step: str
    attempt: int
    lane: str
    incarnation: str
    closed_by: str | None
    waited_s: float
    ran_s: float | None
    provider_s: float
    tools_s: float
    first_chunk_s: float | None
    calls: int
    unanswered: int
    cost_usd: float | None
    repeated_cost_usd: float | None
    lost_s: float
    late_reports: tuple[str, ...]
    positions: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def note_all(records: Iterable[Logged]) -> list[Noted]:
    """The records of a run in log order, commands left out, each with what the fold says of it."""
    fold = RunFold()
    noted: list[Noted] = []
    latest: datetime | None = None
    for record, logged_at in records:
        before = fold.state
        refused = fold.take(record, logged_at)
        if refused is None and fold.state is not None and fold.state is not before:
            latest = max(record.at, latest) if latest else record.at
            noted.append(Noted(record, fold.state.position, latest, fold.state))
        elif refused:
            noted.append(Noted(record, None, record.at, fold.state))
    return noted


def tries_of(noted: Sequence[Noted], state: RunState, until: datetime) -> list[Try]:
    """Every execution in the order of scheduling; open ones last `until` then."""
    own: dict[str, list[Noted]] = {}
    for one in noted:
        if isinstance(one.record.data, StepScheduled | StepTimedOut | StepOrphaned | Report):
            own.setdefault(one.record.data.execution_id, []).append(one)
    end = next((one.at for one in noted if one.state and one.state.ended and one.position), until)
    return [_try(execution, own[id], end) for id, execution in state.executions.items() if id in own]


def _try(execution: Execution, own: Sequence[Noted], end: datetime) -> Try:
    counted = [one for one in own if one.position]
    late = [one.record for one in own if not one.position and isinstance(one.record.data, Report)]
    scheduled = counted[0].at
    started = next((one.at for one in counted if isinstance(one.record.data, StepStarted)), None)
    closed = next((one.at for one in counted if closes_an_execution(one.record)), end)
    calls = _calls(own)
    lost = execution.closed_by not in (None, "completed")
    return Try(
        id=execution.id, step=execution.step, attempt=execution.attempt, lane=execution.lane,
        incarnation=execution.incarnation, closed_by=execution.closed_by,
        waited_s=_seconds(scheduled, started or closed), ran_s=_seconds(started, closed) if started else None,
        provider_s=sum(call.took_s(closed) for call in calls), tools_s=_tools_s(counted, closed),
        first_chunk_s=next((call.first_chunk_s for call in calls if call.first_chunk_s is not None), None),
        calls=len(calls), unanswered=sum(call.answer is None for call in calls) if lost else 0,
        cost_usd=_counted_cost(counted),
        repeated_cost_usd=_repeated_cost(calls, late) if lost and execution.closed_by != "failed" else 0.0,
        lost_s=_seconds(scheduled, closed) if lost else 0.0,
        late_reports=tuple(record.type for record in late), positions=tuple(one.position or 0 for one in counted),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Call:
    asked_at: datetime
    answer: ProviderResponded | None

    def took_s(self, closed: datetime) -> float:
        return self.answer.duration_s if self.answer else _seconds(self.asked_at, closed)

    @property
    def first_chunk_s(self) -> float | None:
        return self.answer.first_chunk_s if self.answer else None


def _calls(own: Sequence[Noted]) -> list[_Call]:
    """Calls in order; an answer that came too late for the run answers all the same."""
    answers = {
        one.record.data.call_id: one.record.data for one in own if isinstance(one.record.data, ProviderResponded)
    }
    return [
        _Call(one.at, answers.get(one.record.data.call_id))
        for one in own
        if one.position and isinstance(one.record.data, ProviderRequested)
    ]


def _tools_s(counted: Sequence[Noted], closed: datetime) -> float:
    """Time in tools, which a step uses one after another or at once: an interval counts once."""
    using: set[str] = set()
    total = 0.0
    for one, following in pairwise([*counted, None]):
        assert one is not None
        match one.record.data:
            case ToolCalled(call_id=id):
                using.add(id)
            case ToolReturned(call_id=id):
                using.discard(id)
            case _:
                pass
        total += _seconds(one.at, following.at if following else closed) if using else 0.0
    return total


def _counted_cost(counted: Sequence[Noted]) -> float | None:
    ends = [one.record.data for one in counted if isinstance(one.record.data, StepCompleted | StepFailed)]
    return ends[0].cost_usd if ends else 0.0


def _repeated_cost(calls: Sequence[_Call], late: Sequence[Record]) -> float | None:
    said = [record.data.cost_usd for record in late if isinstance(record.data, StepCompleted | StepFailed)]
    if said:
        return said[0]
    total: float | None = 0.0
    for call in calls:
        total = add_cost(total, call.answer.cost_usd if call.answer else None)
    return total


def _seconds(began: datetime, ended: datetime) -> float:
    """Never below zero: the two may have been written by different clocks."""
    return max(0.0, (ended - began).total_seconds())
