"""What a run that has not ended waits for now, with the events that say so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from elexirion.events import run, step
from elexirion.events.record_model import RecordModel
from elexirion.pipelines.definition import workflow_of
from elexirion.pipelines.graph import dependencies_of
from elexirion.pipelines.steps.registry import STEP_TYPES
from elexirion.projections.due_times import next_due
from elexirion.projections.explain_tries import Noted
from elexirion.projections.run_state import RunState
from elexirion.projections.schedule_state import ScheduleState
from elexirion.projections.step_state import Execution, StepState

WaitKind = Literal[
    "start", "time", "paused", "worker", "running", "retry", "delay", "approval", "child", "lane", "decision"
]


@dataclass(frozen=True, slots=True)
class LaneRoom:
    """What living workers offer for a lane: executions at once, and how many of these are taken."""

    slots: int
    held: int


@dataclass(frozen=True, slots=True)
class Serving:
    """Who serves runs now. `deciding`: an orchestrator lives; `lanes` has those that a living worker reads."""

    deciding: bool
    lanes: Mapping[str, LaneRoom] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that is waited for, in words; `until` is when it is due, `position` the event that says so."""

    kind: WaitKind
    text: str
    step: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    position: int | None = None

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "kind": self.kind, "text": self.text, "step": self.step, "position": self.position,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }  # fmt: skip


def waits_of(noted: Sequence[Noted], state: RunState | None, now: datetime, serving: Serving | None) -> list[Wait]:
    """All that is waited for; nothing for a run that has ended. `serving` None: who is there is not known."""
    if state is None:
        return [_undecided("its start was received and nothing is decided about it", serving, kind="start")]
    if state.ended:
        return []
    said = _Said(noted)
    if state.status == "running" and state.waits_until(now):
        return [_time(state, said, now)]
    if state.schedule is not None:
        return [*_paused(state, said)] or [_next_time(state.schedule, now)]
    waits = [*_paused(state, said), *(_execution(execution, said, now) for execution in state.open_executions())]
    for known in state.steps.values():
        waits += _of_step(known, said, now)
    if not waits:
        waits = list(_ready(state, serving))
    return waits or [_undecided("nothing is under way", serving)]


class _Said:
    """Finds the last event of a kind about a step or an execution."""

    def __init__(self, noted: Sequence[Noted]) -> None:
        self._counted = [one for one in noted if one.position]

    def last(self, kind: type[RecordModel], about: str | None = None) -> Noted | None:
        for one in reversed(self._counted):
            data = one.record.data
            if isinstance(data, kind) and about in (None, getattr(data, "execution_id", getattr(data, "step", None))):
                return one
        return None


def _paused(state: RunState, said: _Said) -> Iterator[Wait]:
    if state.status == "paused":
        one = said.last(run.RunPaused)
        why = getattr(one.record.data, "reason", None) if one else None
        text = f"the run is paused{f' ({why})' if why else ''} until a ResumeRun"
        yield _wait("paused", text, one)


def _time(state: RunState, said: _Said, now: datetime) -> Wait:
    assert state.start_at is not None
    text = f"the run is scheduled for {state.start_at:%Y-%m-%d %H:%M:%S %Z}: it begins {_due(state.start_at, now)}"
    return _wait("time", text, said.last(run.RunStarted), until=state.start_at)


def _next_time(schedule: ScheduleState, now: datetime) -> Wait:
    due = next_due(schedule.rule, schedule.until)
    text = f"the schedule {schedule.rule.cron!r} ({schedule.rule.timezone}) starts its next run {_due(due, now)}"
    return Wait("time", text, until=due)


def _execution(execution: Execution, said: _Said, now: datetime) -> Wait:
    if execution.started_at is None:
        one = said.last(step.StepScheduled, execution.id)
        given = f"{execution.id} was given to {execution.incarnation} {_ago(execution.scheduled_at, now)}"
        return _wait("worker", f"{given} and has not begun", one, execution.step)
    limit = f", its time limit is {execution.timeout_s:g} s" if execution.timeout_s else ""
    text = f"{execution.id} runs at {execution.incarnation}; it began {_ago(execution.started_at, now)}{limit}"
    return _wait("running", text, said.last(step.StepStarted, execution.id), execution.step)


def _of_step(known: StepState, said: _Said, now: datetime) -> Iterator[Wait]:
    name, due = known.name, known.due_at
    match known.status:
        case "waiting":
            text = f"{name} is tried again {_due(due, now)}"
            yield _wait("retry", text, said.last(step.StepRetryScheduled, name), name, due)
        case "timed":
            yield _wait("delay", f"{name} goes on {_due(due, now)}", said.last(run.TimerSet, name), name, due)
        case "asked":
            one = said.last(run.ApprovalRequested, name)
            message = getattr(one.record.data, "message", "") if one else ""
            yield _wait("approval", f"{name} waits for an approval: {message}", one, name, due)
        case "child":
            text = f"{name} waits for run {known.child_run_id}: elexirion explain {known.child_run_id}"
            yield _wait("child", text, said.last(run.ChildRunStarted, name), name)
        case _:
            return


def _ready(state: RunState, serving: Serving | None) -> Iterator[Wait]:
    """Steps that may begin, and steps whose inner ones may."""
    for known in state.steps.values():
        if known.status == "expanded" and known.inside is not None:
            yield _room(known.name, "goes on with what is inside", sorted(set(known.inside.children.values())), serving)
    for known in _begin_next(state):
        yield _room(known.name, "may begin", [known.step_type], serving)


def _begin_next(state: RunState) -> Iterator[StepState]:
    """Pending steps at the top of which all that they need is over."""
    written = workflow_of(state.definition).get("steps") or []
    needs = dependencies_of([(str(one.get("name")), one.get("needs")) for one in written if isinstance(one, dict)])
    over = {name for name, known in state.steps.items() if known.done or known.status == "failed"}
    for name, known in state.steps.items():
        if known.status == "pending" and name in needs and over.issuperset(needs[name]):
            yield known


def _room(name: str, may: str, step_types: Sequence[str], serving: Serving | None) -> Wait:
    """Whether a worker has room for a step of these types."""
    lanes = [kind.lane for one in step_types if (kind := STEP_TYPES.get(one)) and kind.lane]
    if not lanes or serving is None or not serving.deciding:
        return _undecided(f"{name} {may}", serving, name)
    for lane in lanes:
        room = serving.lanes.get(lane)
        if room is None:
            text = f"{name} {may}, and no living worker serves lane {lane}: elexirion worker --lanes {lane}"
            return Wait("lane", text, name)
        if room.held >= room.slots:
            return Wait("lane", f"{name} {may}, and all {room.slots} slots of lane {lane} are taken", name)
    return Wait("decision", f"{name} {may}, and there is room for it: an orchestrator decides next", name)


def _undecided(what: str, serving: Serving | None, name: str | None = None, kind: WaitKind = "decision") -> Wait:
    if serving is not None and not serving.deciding:
        return Wait(kind, f"{what}, and no orchestrator lives that could decide: elexirion worker", name)
    return Wait(kind, f"{what}; an orchestrator decides next", name)


def _wait(kind: WaitKind, text: str, one: Noted | None, name: str | None = None, until: datetime | None = None) -> Wait:
    return Wait(kind, text, name, one.at if one else None, until, one.position if one else None)


def _ago(at: datetime, now: datetime) -> str:
    return f"{max(0.0, (now - at).total_seconds()):.1f} s ago"


def _due(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "when it is decided"
    left = (at - now).total_seconds()
    return f"in {left:.1f} s" if left >= 0 else f"now: it has been due for {-left:.1f} s and is decided next"
