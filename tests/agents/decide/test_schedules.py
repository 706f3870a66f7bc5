"""A schedule decides each of its times once: a run, or none for times that were missed or came too early."""

from datetime import timedelta
from typing import Any

from elexirion.agents.decide import Facts, decide
from elexirion.agents.decide_command import decide_command
from elexirion.agents.decisions.firing import MOST_CAUGHT_UP, MOST_OPEN
from elexirion.agents.dispatch import Placement
from elexirion.agents.orchestrator.fired_run import start_fired
from elexirion.events.commands import CancelRun, ChildEnded, PauseRun, ResumeRun, StartRun
from elexirion.events.envelope import Record
from elexirion.events.schedule import Schedule, ScheduleFired, ScheduleSkipped
from elexirion.projections.due_times import due_times
from elexirion.projections.fleet import Fleet
from elexirion.projections.partition import PartitionFold
from elexirion.projections.schedule_state import ScheduleState
from elexirion.projections.snapshot_codec import decode_run, encode_run
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from tests.agents.decide.nested import Nested
from tests.projections.partition_log import RUN, PartitionLog, received, started

HOURLY = {"cron": "0 * * * *"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def scheduled(**rule: Any) -> Nested:
    """A schedule from 12:00:02 on, to which nothing happened yet."""
    return Nested(schedule=Schedule(**{**HOURLY, **rule}))


def state_of(given: Nested) -> ScheduleState:
    assert given.state.schedule is not None
    return given.state.schedule


def told(records: list[Record]) -> list[str]:
    """Each firing by its hour, each row of skipped ones by the last of them."""
    return [_told(record) for record in records]


def _told(record: Record) -> str:
    match record.data:
        case ScheduleFired(due_at=due):
            return f"{due:%H:%M}"
        case ScheduleSkipped(due_at=due, count=count, because=because):
            return f"{because} {count} to {due:%H:%M}"
        case _:
            return record.type


def ended(given: Nested, hour: int, status: Any = "completed") -> str:
    stamp = f"20260101T{hour}0000Z"
    said = ChildEnded(child_run_id=f"{RUN}~{stamp}", step=stamp, status=status)
    return given.told(said, f"{stamp}/ended")


# Firing -----------------------------------------------------------------------------------------------------


def test_a_schedule_fires_when_its_time_has_come_and_not_before() -> None:
    given = scheduled()
    given.at(given.now.replace(minute=59, second=59))
    assert given.then() == []
    (fired,) = given.at(given.now + timedelta(seconds=1)).then()
    assert told([fired]) == ["13:00"]
    assert fired.raw == {
        "due_at": "2026-01-01T13:00:00Z", "fired_run_id": f"{RUN}~20260101T130000Z",
        "command_id": f"{RUN}/fire/20260101T130000Z",
    }  # fmt: skip
    assert given.then() == []


def test_the_command_of_a_firing_is_the_same_however_often_it_is_said() -> None:
    given = scheduled()
    given.at(given.now + HOUR).then()
    (fired,) = state_of(given).open.values()
    first, state = start_fired(given.state, fired), given.state
    given.at(given.now + 5 * HOUR)
    assert start_fired(decode_run(encode_run(state)), fired) == first
    assert (first.run_id, first.id, first.at) == (fired.run_id, fired.command_id, fired.fired_at)
    assert isinstance(first.data, StartRun)
    assert first.data.fired_by is not None
    assert first.data.schedule is None


def test_a_schedule_that_is_paused_fires_nothing_and_makes_nothing_up() -> None:
    given = scheduled(missed="all")
    given.told(PauseRun(), "pause")
    assert given.at(given.now + 3 * HOUR).then() == []
    given.told(ResumeRun(), "resume")
    assert given.then() == []
    assert told(given.at(given.now + HOUR).then()) == ["16:00"]


def test_a_schedule_that_was_removed_fires_nothing() -> None:
    given = scheduled()
    assert given.told(CancelRun(), "cancel") == "RunCancelled"
    assert decide(given.state, given.plan, given.facts()) == []


# Times that were missed -------------------------------------------------------------------------------------


def test_of_missed_times_the_last_one_is_made_up_for() -> None:
    given = scheduled()
    assert told(given.at(given.now + 3 * HOUR + 30 * MINUTE).then()) == ["missed 2 to 14:00", "15:00"]


def test_missed_times_can_be_passed_over() -> None:
    given = scheduled(missed="skip")
    given.at(given.now + 3 * HOUR)
    assert told(given.then()) == ["missed 2 to 14:00", "15:00"], "a time that is just due was not missed"
    assert told(given.at(given.now + HOUR + 2 * MINUTE).then()) == ["missed 1 to 16:00"]


def test_missed_times_can_all_be_made_up_for() -> None:
    given = scheduled(missed="all")
    assert told(given.at(given.now + 3 * HOUR + 30 * MINUTE).then()) == ["13:00", "14:00", "15:00"]


def test_of_a_long_outage_only_the_last_times_are_made_up_for() -> None:
    given = scheduled(cron="* * * * *", missed="all")
    began = given.now
    records = [record for _ in range(20) for record in given.at(began + timedelta(days=2)).then()]
    fired = [record for record in records if isinstance(record.data, ScheduleFired)]
    assert len(fired) == MOST_CAUGHT_UP + 1, "and the one that is just due"
    assert _count(records) == 2 * 24 * 60


# Runs that are open -----------------------------------------------------------------------------------------


def test_a_time_while_a_run_is_open_can_be_skipped() -> None:
    given = scheduled(overlap="skip")
    assert told(given.at(given.now + HOUR).then()) == ["13:00"]
    assert told(given.at(given.now + HOUR).then()) == ["overlap 1 to 14:00"]
    assert ended(given, 13) == "ChildRunEnded"
    assert told(given.at(given.now + HOUR).then()) == ["15:00"]
    assert (state_of(given).fired, state_of(given).skipped) == (2, 1)


def test_a_schedule_with_too_many_open_runs_starts_no_more() -> None:
    given = scheduled(cron="* * * * *")
    for _ in range(MOST_OPEN):
        assert len(given.at(given.now + MINUTE).then()) == 1
    (skipped,) = given.at(given.now + MINUTE).then()
    assert skipped.raw["because"] == "overlap"


def test_an_end_is_heard_once_and_only_of_a_run_that_the_schedule_fired() -> None:
    given = scheduled()
    given.at(given.now + HOUR).then()
    assert ended(given, 14) == "no_such_child"
    assert ended(given, 13, "failed") == "ChildRunEnded"
    assert state_of(given).open == {}


def test_a_run_tells_its_schedule_of_its_end_and_so_does_one_that_was_refused() -> None:
    log = PartitionLog()
    given = scheduled()
    given.at(given.now + HOUR).then()
    (fired,) = state_of(given).open.values()
    command = start_fired(given.state, fired).data
    assert isinstance(command, StartRun)
    log.write(received(command, fired.command_id, fired.run_id, log.now))
    pending = log.fold.pending[fired.command_id]
    log.write(started(
        fired.run_id, fired.command_id, ("a",), log.now, content_hash=pending.received.content_hash,
        fired_by=command.fired_by,
    ))  # fmt: skip
    state = log.fold.runs[fired.run_id]
    log.receive(CancelRun(), "stop", fired.run_id)
    log.write(_cancelled(log.fold, state.run_id, log))
    told_of = log.fold.ended[fired.run_id]
    assert (told_of.parent_run_id, told_of.to_parent and told_of.to_parent.status) == (RUN, "cancelled")
    assert told_of.to_parent and ended(given, 13, told_of.to_parent.status) == "ChildRunEnded"


# Whoever decides, whenever ----------------------------------------------------------------------------------

POLICIES = st.fixed_dictionaries({
    "cron": st.sampled_from(["*/10 * * * *", "0 * * * *", "30 2 * * *", "*/25 2-3 * * *"]),
    "timezone": st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    "missed": st.sampled_from(["skip", "one", "all"]), "overlap": st.sampled_from(["allow", "skip"]),
})  # fmt: skip


@settings(max_examples=80, deadline=None)
@every(POLICIES, st.lists(st.tuples(st.integers(1, 40_000), st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_each_time_is_decided_once_and_in_order_wherever_an_orchestrator_dies(
    rule: dict[str, Any], steps: list[tuple[int, bool, bool]]
) -> None:
    """Some batches are cut short behind their first record; some moments are looked at twice, from a snapshot."""
    given = scheduled(**rule)
    began = state_of(given).until
    records: list[Record] = []
    for seconds, dies, looks_twice in steps:
        given.at(given.now + timedelta(seconds=seconds))
        for record in given.when()[: 1 if dies else None]:
            assert given.land(record) is None
            assert given.land(record) is not None, "a copy counts for nothing"
            records.append(record)
        if looks_twice:
            assert decode_run(encode_run(given.state)) == given.state
    records += _all(given)
    dues = due_times(Schedule(**rule), began, given.now)
    while dues and len(dues) % 500 == 0:
        dues += due_times(Schedule(**rule), dues[-1], given.now)
    decided = [record.data for record in records]
    fired = [data.due_at for data in decided if isinstance(data, ScheduleFired)]
    assert fired == sorted(set(fired))
    assert set(fired) <= set(dues)
    assert _count(records) == len(dues)
    assert given.replay().runs == given.fold.runs


def _all(given: Nested) -> list[Record]:
    """Decide until nothing is left to decide; runs end at once."""
    records: list[Record] = []
    while landed := given.then():
        records += landed
        for fired in list(state_of(given).open.values()):
            stamp = fired.run_id.rpartition("~")[2]
            given.told(ChildEnded(child_run_id=fired.run_id, step=stamp, status="completed"), f"{stamp}/ended")
    return records


def _count(records: list[Record]) -> int:
    return sum(record.raw.get("count", 1) for record in records)


def _cancelled(fold: PartitionFold, run_id: str, log: PartitionLog) -> Record:
    facts = Facts(now=log.now, author="o1.bbbb", placement=Placement(Fleet(), 10))
    return decide_command(fold.pending["stop"], CancelRun(), fold.runs[run_id], None, None, facts)
