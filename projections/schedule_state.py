"""What the log says of a schedule: which of its times are decided, and which runs of it are open."""

from dataclasses import dataclass, field
from datetime import datetime

from elexirion.events.identifiers import firing_stamp
from elexirion.events.schedule import Schedule, ScheduleFired, ScheduleSkipped
from elexirion.projections.change import changed


@dataclass(frozen=True, slots=True)
class Fired:
    """A run that a schedule asked for. `fired_at` is the recorded time of the decision."""

    run_id: str
    command_id: str
    due_at: datetime
    fired_at: datetime


@dataclass(frozen=True)
class ScheduleState:
    """`until`: every time up to here is decided, and none twice. `open` are runs that have not ended, by stamp."""

    rule: Schedule
    until: datetime
    open: dict[str, Fired] = field(default_factory=dict)
    last: Fired | None = None
    fired: int = 0
    skipped: int = 0

    def after_firing(self, data: ScheduleFired, at: datetime) -> "ScheduleState":
        """One more run was asked for."""
        fired = Fired(data.fired_run_id, data.command_id, data.due_at, at)
        opened = {**self.open, firing_stamp(data.due_at): fired}
        return changed(self, until=data.due_at, open=opened, last=fired, fired=self.fired + 1)

    def after_skipping(self, data: ScheduleSkipped) -> "ScheduleState":
        """Times passed without a run."""
        return changed(self, until=data.due_at, skipped=self.skipped + data.count)

    def after_pause(self, at: datetime) -> "ScheduleState":
        """What was due while it was paused is not made up for."""
        return changed(self, until=max(self.until, at))

    def after_end(self, stamp: str) -> "ScheduleState":
        """One of its runs ended."""
        return changed(self, open={key: fired for key, fired in self.open.items() if key != stamp})
