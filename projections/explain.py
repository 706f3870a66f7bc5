"""Where the time and the money of a run went, why it failed, and what it waits for: from its events alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elexirion.events import run, step
from elexirion.events.envelope import utc_text
from elexirion.projections.explain_time import DOINGS, Stretch, gaps_in, stretches_of
from elexirion.projections.explain_tries import Noted, Try, note_all, tries_of
from elexirion.projections.explain_waits import Serving, Wait, waits_of
from elexirion.projections.replay import Logged
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState, add_cost
from elexirion.projections.told import in_words, short


@dataclass(frozen=True, slots=True)
class StepAccount:
    """A step over all of its executions. Seconds and US dollars; `positions` are the events of its executions.

    `waited_s` from being scheduled to being started, `retry_wait_s` between attempts. `repeated_cost_usd` was spent
    by executions that were given up and is part of no total.
    """

    step: str
    type: str
    status: str
    executions: int
    attempts: int
    waited_s: float
    ran_s: float
    provider_s: float
    tools_s: float
    first_chunk_s: float | None
    retry_wait_s: float
    lost_s: float
    cost_usd: float | None
    repeated_cost_usd: float | None
    unanswered: int
    positions: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Reason:
    """Something worth knowing, in words, with the events that say so."""

    text: str
    positions: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"text": self.text, "positions": self.positions}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A run explained. `status` is None where it did not start; `time` adds up to `duration_s`."""

    run_id: str
    status: str | None
    at: datetime
    duration_s: float
    cost_usd: float | None
    repeated_cost_usd: float | None
    time: dict[str, float]
    steps: tuple[StepAccount, ...]
    tries: tuple[Try, ...]
    gaps: tuple[Stretch, ...]
    reasons: tuple[Reason, ...]
    waits: tuple[Wait, ...]

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        lists = {
            name: [one.document() for one in getattr(self, name)]
            for name in ("steps", "tries", "gaps", "reasons", "waits")
        }
        return {
            "run_id": self.run_id, "status": self.status, "at": utc_text(self.at), "duration_s": self.duration_s,
            "cost_usd": self.cost_usd, "repeated_cost_usd": self.repeated_cost_usd, "time": self.time, **lists,
        }  # fmt: skip


def explain(run_id: str, records: Iterable[Logged], now: datetime, serving: Serving | None = None) -> Explanation:
    """Explain a run by its records in log order; one that has not ended is looked at as of `now`.

    `serving` says who serves runs now; without it the words about waiting say less.
    """
    noted = note_all(records)
    state = noted[-1].state if noted else None
    waits = tuple(waits_of(noted, state, now, serving))
    if state is None:
        return Explanation(run_id, None, now, 0.0, 0.0, 0.0, {}, (), (), (), (), waits)
    tries = tries_of(noted, state, now)
    stretches = stretches_of(noted, now)
    by_step: dict[str, list[Try]] = {}
    for one in tries:
        by_step.setdefault(one.step, []).append(one)
    between = _between_attempts(noted)
    steps = [_account(known, by_step.get(path, []), between.get(path, 0.0)) for path, known in state.steps.items()]
    return Explanation(
        run_id=run_id, status=state.status, at=now, duration_s=sum(one.seconds for one in stretches),
        cost_usd=state.cost_usd, repeated_cost_usd=_total([one.repeated_cost_usd for one in tries]),
        time=_time(stretches), steps=tuple(steps), tries=tuple(tries), gaps=tuple(gaps_in(stretches)),
        reasons=tuple(_reasons(noted, state, tries)), waits=waits,
    )  # fmt: skip


def _account(known: StepState, tries: Sequence[Try], retry_wait_s: float) -> StepAccount:
    return StepAccount(
        step=known.name, type=known.step_type, status=known.status, executions=len(tries),
        attempts=max((one.attempt for one in tries), default=0), waited_s=sum(one.waited_s for one in tries),
        ran_s=sum(one.ran_s or 0.0 for one in tries), provider_s=sum(one.provider_s for one in tries),
        tools_s=sum(one.tools_s for one in tries),
        first_chunk_s=next((one.first_chunk_s for one in reversed(tries) if one.first_chunk_s is not None), None),
        retry_wait_s=retry_wait_s, lost_s=sum(one.lost_s for one in tries),
        cost_usd=known.cost_usd, repeated_cost_usd=_total([one.repeated_cost_usd for one in tries]),
        unanswered=sum(one.unanswered for one in tries),
        positions=tuple(position for one in tries for position in one.positions),
    )  # fmt: skip


def _between_attempts(noted: Sequence[Noted]) -> dict[str, float]:
    """By step: seconds from each failure that was tried again to the execution that followed it."""
    since: dict[str, datetime] = {}
    total: dict[str, float] = {}
    for one in noted:
        match one.record.data:
            case step.StepRetryScheduled(step=name) if one.position:
                since[name] = one.at
            case step.StepScheduled(step=name) if one.position and name in since:
                total[name] = total.get(name, 0.0) + (one.at - since.pop(name)).total_seconds()
            case _:
                pass
    return total


def _time(stretches: Sequence[Stretch]) -> dict[str, float]:
    totals = {doing: sum(one.seconds for one in stretches if one.doing == doing) for doing in DOINGS}
    return {doing: seconds for doing, seconds in totals.items() if seconds}


def _total(costs: Iterable[float | None]) -> float | None:
    total: float | None = 0.0
    for cost in costs:
        total = add_cost(total, cost)
    return total


# What is worth knowing ----------------------------------------------------------------------------------


def _reasons(noted: Sequence[Noted], state: RunState, tries: Sequence[Try]) -> list[Reason]:
    counted = [one for one in noted if one.position]
    found = [Reason(*said) for one in counted if (said := _said_by(one, state))]
    found += [_given_up(one) for one in tries if one.closed_by in _GIVEN_UP]
    return sorted(found, key=lambda reason: reason.positions[-1])


_GIVEN_UP = {
    "orphaned": "its worker is gone",
    "timed_out": "it had no result in time",
    "released": "its worker was stopped",
    "declined": "its worker did not take it",
    "run_ended": "the run ended",
}


def _said_by(one: Noted, state: RunState) -> tuple[str, tuple[int, ...]] | None:
    """Ends that are not good, attempts that failed, and what stood in for an answer."""
    at = (one.position or 0,)
    match one.record.data:
        case run.RunFailed():
            return f"the run failed: {in_words(one.record)}", at
        case run.RunCancelled() | run.RunQuarantined():
            return f"the run was {state.status}: {in_words(one.record)}", at
        case step.StepFailed() | step.StepRefused() | step.StepTimedOut():
            return in_words(one.record), at
        case step.FallbackChosen() | step.FallbackUsed():
            return in_words(one.record), at
        case run.BudgetExceeded():
            return f"a limit was reached: {in_words(one.record)}", at
        case _:
            return None


def _given_up(one: Try) -> Reason:
    cost = "at a cost that is not known" if one.repeated_cost_usd is None else f"at ${one.repeated_cost_usd:.4f}"
    unanswered = f"; {one.unanswered} of its calls had no answer that the log knows" if one.unanswered else ""
    late = f"; {', '.join(one.late_reports)} came too late" if one.late_reports else ""
    text = f"{short(one.id)} was given up after {one.lost_s:.1f} s {cost}: {_GIVEN_UP[one.closed_by or '']}"
    return Reason(f"{text}{unanswered}{late}", one.positions)
