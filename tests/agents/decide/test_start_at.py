"""A run that was asked for before its time exists at once and begins when its time has come."""

from datetime import UTC, datetime, timedelta

import pytest
from elexirion.agents.decide import Facts
from elexirion.agents.decide_command import Loadable, decide_command
from elexirion.agents.dispatch import Placement
from elexirion.agents.plan import Limits
from elexirion.events.canonical import content_hash
from elexirion.events.commands import CancelRun, PauseRun, ResumeRun, StartRun
from elexirion.events.envelope import Record
from elexirion.projections.fleet import Fleet
from pydantic import ValidationError

from tests.agents.decide.given import kinds, planned
from tests.agents.decide.nested import Nested
from tests.projections.partition_log import AUTHOR, PartitionLog, definition

MOMENT = timedelta(microseconds=1)
BEFORE = Nested(planned("a")).now
LATER = BEFORE + timedelta(hours=2)


def scheduled(at: datetime = LATER) -> Nested:
    return Nested(planned("a"), start_at=at)


def test_nothing_of_a_run_begins_before_its_time() -> None:
    given = scheduled()
    assert given.then() == []
    assert given.at(LATER - MOMENT).then() == []
    assert kinds(given.at(LATER).then()) == ["StepScheduled run-1/a#1"]


def test_a_run_whose_time_has_passed_begins_now() -> None:
    assert kinds(scheduled(BEFORE - timedelta(days=400)).then()) == ["StepScheduled run-1/a#1"]


def test_a_run_that_waits_for_its_time_can_be_cancelled() -> None:
    given = scheduled()
    assert given.told(CancelRun(), "cancel") == "RunCancelled"
    assert given.fold.runs == {}


def test_a_run_that_was_paused_while_it_waited_begins_when_it_is_resumed() -> None:
    given = scheduled()
    given.told(PauseRun(), "pause")
    assert given.at(LATER).then() == []
    given.told(ResumeRun(), "resume")
    assert len(given.then()) == 1


def test_the_time_that_a_run_may_take_counts_from_its_beginning() -> None:
    given = Nested(planned("a"), start_at=LATER, limits=Limits(seconds=60))
    assert kinds(given.at(LATER + timedelta(seconds=59)).then()) == ["StepScheduled run-1/a#1"]


def test_the_time_of_the_start_is_that_of_the_command_and_stands_in_the_log() -> None:
    log = PartitionLog()
    started = _decided(log, LATER.astimezone(UTC))
    assert (started.type, started.raw["start_at"]) == ("RunStarted", LATER.isoformat().replace("+00:00", "Z"))


def test_a_time_that_no_timer_can_wait_for_is_refused() -> None:
    rejected = _decided(PartitionLog(), BEFORE + timedelta(days=4000))
    assert (rejected.type, "ten years" in rejected.raw["reason"]) == ("CommandRejected", True)


def test_a_time_without_its_zone_is_no_time() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        StartRun.model_validate({"pipeline": "…", "start_at": "2026-12-01T09:00"})


def _decided(log: PartitionLog, start_at: datetime) -> Record:
    command = StartRun(pipeline="…", start_at=start_at)
    assert log.receive(command, "c") is None
    checked = Loadable("sample", definition("a"), content_hash("d"), {})
    facts = Facts(now=log.now, author=AUTHOR, placement=Placement(Fleet(), 10))
    record = decide_command(log.fold.pending["c"], command, None, None, checked, facts)
    assert log.write(record) is None
    return record
