"""What a schedule does next: a run for a time that is due, or none for times that were missed or came too early."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from elexirion.agents.decisions.view import View
from elexirion.events.identifiers import firing_command_id, firing_run_id
from elexirion.events.record_model import RecordModel
from elexirion.events.schedule import ScheduleFired, ScheduleSkipped
from elexirion.projections.due_times import due_times

MISSED_AFTER = timedelta(seconds=60)
"""A time that is decided later than this was missed; within it somebody took over, or was busy."""

MOST_CAUGHT_UP = 100
"""So many missed times are made up for with `missed: all`, the last ones."""

MOST_OPEN = 200
"""A schedule with so many open runs starts no more of them."""


def firing(view: View) -> Iterator[RecordModel]:
    """The next decision of a schedule; one time, or a row of times that are passed over together."""
    state, schedule = view.state, view.state.schedule
    if schedule is None or state.status != "running":
        return
    dues = due_times(schedule.rule, schedule.until, view.facts.now)
    passed = _passed_over(schedule.rule.missed, [due for due in dues if due < view.facts.now - MISSED_AFTER])
    if passed:
        yield ScheduleSkipped(first_at=passed[0], due_at=passed[-1], count=len(passed), because="missed")
    elif dues and len(schedule.open) >= (1 if schedule.rule.overlap == "skip" else MOST_OPEN):
        yield ScheduleSkipped(first_at=dues[0], due_at=dues[-1], count=len(dues), because="overlap")
    elif dues:
        yield ScheduleFired(
            due_at=dues[0], fired_run_id=firing_run_id(state.run_id, dues[0]),
            command_id=firing_command_id(state.run_id, dues[0]),
        )  # fmt: skip


def _passed_over(policy: str, late: list[datetime]) -> list[datetime]:
    """Those of the missed times, in order, for which there is no run."""
    match policy:
        case "skip":
            return late
        case "one":
            return late[:-1]
        case _:
            return late[:-MOST_CAUGHT_UP]
