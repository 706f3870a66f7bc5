"""Where the time of a run went: at each instant one kind of doing, so that the parts add up to the whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any, Literal, get_args

from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.projections.explain_tries import Noted
from elexirion.projections.run_state import RunState

Doing = Literal["provider", "running", "queued", "paused", "retry", "approval", "delay", "child", "deciding"]
"""`provider`: a call of an open execution is under way; `running`: an execution runs without one; `queued`: some
are scheduled and none has begun; `paused`, `retry`, `approval`, `delay`, `child`: nothing runs, and this is waited
for; `deciding`: nothing is under way, the next decision is due."""
DOINGS: tuple[Doing, ...] = get_args(Doing)
AT_WORK = frozenset({"provider", "running"})

SHORTEST_GAP_S = 0.1
"""A shorter pause between two steps is the usual way of things."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a run's time, from the event at `since` to the one at `until` (None: to now)."""

    doing: Doing
    seconds: float
    since: int
    until: int | None

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"doing": self.doing, "seconds": self.seconds, "since": self.since, "until": self.until}


def stretches_of(noted: Sequence[Noted], now: datetime) -> list[Stretch]:
    """The run's time from its start to its end, or to `now`, without a gap; neighbours differ in what is done."""
    pieces = groupby(_pieces([one for one in noted if one.position], now), key=lambda piece: piece.doing)
    return [_joined(list(same)) for _, same in pieces]


def gaps_in(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches in which nothing ran, the longest first."""
    idle = [one for one in stretches if one.doing not in AT_WORK and one.seconds >= SHORTEST_GAP_S]
    return sorted(idle, key=lambda one: one.seconds, reverse=True)


def _joined(same: Sequence[Stretch]) -> Stretch:
    return Stretch(same[0].doing, sum(one.seconds for one in same), same[0].since, same[-1].until)


def _pieces(counted: Sequence[Noted], now: datetime) -> Iterator[Stretch]:
    asked: dict[str, str] = {}
    for one, following in pairwise([*counted, None]):
        assert one is not None and one.state is not None
        _note_call(asked, one)
        if one.state.ended:
            return
        ended = following.at if following else max(now, one.at)
        began = max(one.at, one.state.started_at)  # what waited for its time was no part of the run
        seconds = max(0.0, (ended - began).total_seconds())
        yield Stretch(_doing(one.state, asked), seconds, one.state.position, following.position if following else None)


def _note_call(asked: dict[str, str], one: Noted) -> None:
    match one.record.data:
        case ProviderRequested(call_id=call, execution_id=execution):
            asked[call] = execution
        case ProviderResponded(call_id=call):
            asked.pop(call, None)
        case _:
            pass


def _doing(state: RunState, asked: dict[str, str]) -> Doing:
    executions = state.open_executions()
    if any(execution.id in asked.values() for execution in executions):
        return "provider"
    if any(execution.started_at for execution in executions):
        return "running"
    if executions:
        return "queued"
    if state.status == "paused":
        return "paused"
    return _waited_for(state)


def _waited_for(state: RunState) -> Doing:
    statuses = {step.status for step in state.steps.values()}
    for status, doing in _WAITS:
        if status in statuses:
            return doing
    return "deciding"


_WAITS: tuple[tuple[str, Doing], ...] = (
    ("child", "child"),
    ("asked", "approval"),
    ("waiting", "retry"),
    ("timed", "delay"),
)
