"""Schedules: when one fires, and what it says when it does. Its firings are decisions of a run of its own."""

from typing import Literal

from elexirion.events.record_model import RecordModel
from pydantic import AwareDatetime, Field


class Schedule(RecordModel):
    """When it fires: a cron expression of five fields, or six with seconds in front, in a time zone.

    `missed` says what becomes of times that nobody was there to see, `overlap` whether one run may begin while another
    one of the schedule is open.
    """

    cron: str
    timezone: str = "UTC"
    missed: Literal["skip", "one", "all"] = "one"
    overlap: Literal["allow", "skip"] = "allow"


class FiredBy(RecordModel):
    """The schedule that started a run, and the time that was due."""

    schedule_id: str
    due_at: AwareDatetime


class ScheduleFired(RecordModel):
    """A time is due: the run `fired_run_id` is asked for by a command whose ids follow from schedule and time."""

    due_at: AwareDatetime
    fired_run_id: str
    command_id: str


class ScheduleSkipped(RecordModel):
    """Times for which no run starts: `count` of them, the first at `first_at` and the last at `due_at`."""

    first_at: AwareDatetime
    due_at: AwareDatetime
    count: int = Field(ge=1)
    because: Literal["missed", "overlap"]
