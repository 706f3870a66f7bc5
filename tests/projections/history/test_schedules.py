"""A schedule fires once for each of its times, and the run that it asked for is there."""

from datetime import timedelta

from elexirion.events.commands import StartRun
from elexirion.events.identifiers import firing_command_id, firing_run_id, firing_stamp
from elexirion.events.run import ChildRunEnded
from elexirion.events.schedule import Schedule, ScheduleFired, ScheduleSkipped
from elexirion.projections.history.checker import check
from elexirion.projections.history.records import History, Written

from tests.projections.history.histories import written
from tests.projections.partition_log import AUTHOR, RUN, RunLog, started

HOUR = timedelta(hours=1)


class Scheduled(RunLog):
    """A schedule, and the hours that follow its start."""

    def __init__(self) -> None:
        super().__init__(schedule=Schedule(cron="0 * * * *"))
        self.first = self.now.replace(minute=0, second=0) + HOUR

    def fire(self, hour: int) -> ScheduleFired:
        """It fires for the so-manieth hour; not written yet."""
        due = self.first + hour * HOUR
        return ScheduleFired(due_at=due, fired_run_id=firing_run_id(RUN, due), command_id=firing_command_id(RUN, due))

    def begin(self, fired: ScheduleFired) -> None:  # type: ignore[override]
        """The run that was fired starts."""
        assert self.receive(StartRun(pipeline="…"), fired.command_id, fired.fired_run_id) is None
        assert self.write(started(fired.fired_run_id, fired.command_id, ("a",), self.now)) is None

    def found(self, *, at_rest: bool = False) -> set[str]:
        """Kinds of what is wrong."""
        events = [written(n, record, "events", at) for n, (record, at) in enumerate(self.records)]
        return {one.kind for one in check(History(events=_by_us(events), at_rest=at_rest))}


def _by_us(events: list[Written]) -> list[Written]:
    return [Written(e.topic, e.partition, e.offset, e.at, e.value, e.key, AUTHOR) for e in events]


def test_a_schedule_at_rest_that_fired_and_skipped_breaks_no_promise() -> None:
    log = Scheduled()
    fired = log.fire(0)
    assert log.decide(fired) is None
    log.begin(fired)
    assert (
        log.decide(ScheduleSkipped(first_at=log.first + HOUR, due_at=log.first + 2 * HOUR, count=2, because="missed"))
        is None
    )
    assert log.decide(log.fire(3)) is None
    assert log.found() == set()
    assert "run_open" in log.found(at_rest=True), "the run that it fired; the schedule itself has no end"


def test_a_second_firing_for_one_time_does_not_count() -> None:
    log = Scheduled()
    assert log.decide(log.fire(1)) is None
    assert log.decide(log.fire(1)) == "not_due"
    assert log.decide(log.fire(0)) == "not_due"
    assert log.found() == set()


def test_a_run_that_was_fired_and_never_began_is_missed() -> None:
    log = Scheduled()
    log.decide(log.fire(0))
    assert "firing_lost" in log.found(at_rest=True)
    log.begin(log.fire(0))
    assert "firing_lost" not in log.found(at_rest=True)


def test_the_end_of_a_run_counts_for_its_schedule_only_while_that_waits_for_it() -> None:
    log = Scheduled()
    fired = log.fire(0)
    stamp = firing_stamp(fired.due_at)
    ended = ChildRunEnded(command_id="e", child_run_id=fired.fired_run_id, step=stamp, status="completed")
    assert log.decide(ended) == "step_not_ready"
    log.decide(fired)
    assert log.decide(ended) == "no_such_command", "it waits, and nobody has said so"
