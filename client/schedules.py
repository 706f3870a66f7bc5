"""Schedules in the log: what each is, what it did, and when it starts its next run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elexirion.agents.kafka.reading import scan
from elexirion.client.client import Client
from elexirion.client.run_log import Entry, RunJudge
from elexirion.events.run import ChildRunEnded
from elexirion.events.schedule import Schedule, ScheduleFired, ScheduleSkipped
from elexirion.projections.due_times import next_due
from elexirion.projections.run_state import RunState


@dataclass(frozen=True, slots=True)
class ScheduleSummary:
    """A schedule. `status` is `active`, `paused` or `removed`; `next_at` is None where none is to come."""

    schedule_id: str
    pipeline: str
    status: str
    rule: Schedule
    next_at: datetime | None
    last_run_id: str | None
    fired: int
    skipped: int
    open_runs: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "schedule_id": self.schedule_id, "pipeline": self.pipeline, "status": self.status,
            **self.rule.model_dump(), "next_at": self.next_at.isoformat() if self.next_at else None,
            "last_run_id": self.last_run_id, "fired": self.fired, "skipped": self.skipped,
            "open_runs": list(self.open_runs),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Firing:
    """What a schedule did for a time, or a row of times: `status` is that of the run, or why there is none."""

    due_at: datetime
    count: int
    run_id: str | None
    status: str

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"due_at": self.due_at.isoformat(), "count": self.count, "run_id": self.run_id, "status": self.status}


async def list_schedules(client: Client) -> list[ScheduleSummary]:
    """Every schedule, by id, those that were removed as well. Reads the whole log; raises KafkaProblem."""
    judges: dict[bytes, RunJudge] = {}
    others: set[bytes] = set()
    async for message in scan(client.address, client.topics.events, range(client.partitions)):
        if message.key is None or message.key in others:
            continue
        judge = judges.setdefault(message.key, RunJudge())
        judge.take(message)
        if judge.state is not None and judge.state.schedule is None:
            others.add(message.key)
            del judges[message.key]
    found = [summary_of(judge.state) for judge in judges.values() if judge.state is not None]
    return sorted(found, key=lambda one: one.schedule_id)


def summary_of(state: RunState) -> ScheduleSummary:
    """One line about a schedule; raises ValueError for another run."""
    schedule = state.schedule
    if schedule is None:
        raise ValueError(f"run {state.run_id} is no schedule")
    status = {"running": "active", "paused": "paused"}.get(state.status, "removed")
    return ScheduleSummary(
        schedule_id=state.run_id, pipeline=state.pipeline_name, status=status, rule=schedule.rule,
        next_at=next_due(schedule.rule, schedule.until) if status == "active" else None,
        last_run_id=schedule.last.run_id if schedule.last else None, fired=schedule.fired, skipped=schedule.skipped,
        open_runs=tuple(one.run_id for one in schedule.open.values()),
    )  # fmt: skip


def firings_of(entries: Iterable[Entry]) -> list[Firing]:
    """What the schedule did so far, in order."""
    found: dict[object, Firing] = {}
    for entry in entries:
        data = entry.record.data if entry.record and entry.refused is None else None
        match data:
            case ScheduleFired():
                found[data.fired_run_id] = Firing(data.due_at, 1, data.fired_run_id, "open")
            case ScheduleSkipped():
                found[data.due_at] = Firing(data.due_at, data.count, None, f"skipped: {data.because}")
            case ChildRunEnded() if data.child_run_id in found:
                before = found[data.child_run_id]
                found[data.child_run_id] = Firing(before.due_at, 1, before.run_id, data.status)
            case _:
                pass
    return list(found.values())
