"""The times of a schedule follow from its rule and a time: each once, in order, and across changes of the clock."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from elexirion.events.schedule import Schedule
from elexirion.projections.due_times import MOST, due_times, next_due, problem_of
from hypothesis import given, settings
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo")
CRONS = (
    "*/15 * * * *", "0 * * * *", "30 2 * * *", "0,30 2-3 * * *", "0 0 * * *", "*/7 1-4 * * MON-FRI", "59 23 L * *",
    "0 12 1 */2 *", "30 */5 2 * * *",
)  # fmt: skip
AROUND = st.sampled_from([datetime(2026, *day, tzinfo=UTC) for day in ((3, 28), (10, 24), (4, 4), (6, 1))])
MOMENTS = st.builds(lambda day, seconds: day + timedelta(seconds=seconds), AROUND, st.floats(0, 172_800))


@st.composite
def rules(draw: st.DrawFn) -> Schedule:
    return Schedule(cron=draw(st.sampled_from(CRONS)), timezone=draw(st.sampled_from(ZONES)))


@settings(max_examples=150, deadline=None)
@given(rules(), MOMENTS, st.lists(st.floats(0, 90_000), max_size=6))
def test_wherever_one_looks_from_each_time_comes_once_and_in_order(
    rule: Schedule, start: datetime, looks: list[float]
) -> None:
    """Looking again and again, from what was seen last, gives what one look at the whole gives."""
    end = start + timedelta(days=2)
    whole = due_times(rule, start, end)
    seen: list[datetime] = []
    for moment in [*sorted(start + timedelta(seconds=after) for after in looks), end]:
        seen += due_times(rule, seen[-1] if seen else start, moment)
    assert seen == whole or len(whole) == MOST
    assert all(one < other for one, other in pairwise(whole))
    assert all(start < due <= end for due in whole)


@settings(max_examples=60, deadline=None)
@given(rules(), MOMENTS)
def test_the_next_time_is_the_first_of_those_that_come(rule: Schedule, start: datetime) -> None:
    due = next_due(rule, start)
    assert due is not None
    assert due_times(rule, start, due) == [due]


def local(*times: datetime) -> list[str]:
    return [f"{time.astimezone(BERLIN):%d %H:%M %Z}" for time in times]


def test_a_time_of_day_that_does_not_exist_is_due_right_after_the_gap() -> None:
    rule, day = Schedule(cron="30 2 * * *", timezone="Europe/Berlin"), datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert local(*due_times(rule, day, day + timedelta(days=2))) == ["29 03:00 CEST", "30 02:30 CEST"]


def test_a_time_of_day_that_comes_twice_is_due_once() -> None:
    rule, day = Schedule(cron="30 2 * * *", timezone="Europe/Berlin"), datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert local(*due_times(rule, day, day + timedelta(days=2))) == ["25 02:30 CEST", "26 02:30 CET"]


def test_each_hour_is_each_hour_also_where_one_comes_twice() -> None:
    rule, night = Schedule(cron="0 * * * *", timezone="Europe/Berlin"), datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    assert local(*due_times(rule, night, night + timedelta(hours=4))) == [
        "25 02:00 CEST", "25 02:00 CET", "25 03:00 CET", "25 04:00 CET",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Schedule(cron="61 * * * *"), "Bad minute"),
        (Schedule(cron="often"), "Wrong number of fields"),
        (Schedule(cron="0 0 31 2 *"), "Bad day-of-month"),
        (Schedule(cron="* * */20 * 1L"), "at no time"),
        (Schedule(cron="* * * * *", timezone="Europe/Atlantis"), "`timezone`"),
        (Schedule(cron="* * * * *", timezone="../../etc/passwd"), "`timezone`"),
        (Schedule(cron="* * * * *", timezone=""), "`timezone`"),
    ],
)
def test_a_rule_that_cannot_be_is_told_with_what_is_wrong(rule: Schedule, said: str) -> None:
    assert said in (problem_of(rule, datetime(2026, 1, 1, tzinfo=UTC)) or "")
