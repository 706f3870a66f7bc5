"""Marks of unread decisions, and who waits for which lane."""

import time

import pytest
from elexirion.agents.orchestrator.unread import Unread
from elexirion.agents.orchestrator.waiting import GRANT_S, LaneQueues

LONG, PASSED = 1000.0, 0.0
PLACE = ("w1", "claude")
CLAUDE = {"claude"}


def waiting(*run_ids: str) -> LaneQueues:
    """These runs wait for the lane of claude, in this order."""
    queues = LaneQueues()
    for run_id in run_ids:
        queues.wait(run_id, CLAUDE, "normal")
    return queues


def test_a_run_waits_until_the_last_of_its_decisions_is_read_back() -> None:
    unread = Unread(LONG)
    unread.mark("r", {"a", "b"})
    assert unread.waiting("r")
    assert unread.read_back("r", "a")
    assert unread.waiting("r")
    assert unread.read_back("r", "b")
    assert not unread.waiting("r")


def test_what_somebody_else_wrote_does_not_end_the_mark() -> None:
    unread = Unread(LONG)
    unread.mark("r", {"a"})
    assert not unread.read_back("r", "foreign")
    assert not unread.read_back("other run", "a")
    assert unread.waiting("r")
    assert not unread.waiting("other run")


def test_a_second_mark_adds_to_the_first() -> None:
    unread = Unread(LONG)
    unread.mark("r", {"a"})
    unread.mark("r", {"b"})
    unread.read_back("r", "b")
    assert unread.waiting("r")
    unread.read_back("r", "a")
    assert not unread.waiting("r")


def test_a_mark_ends_at_its_deadline_and_is_told_of_once() -> None:
    unread = Unread(PASSED)
    unread.mark("r", {"a"})
    assert unread.overdue() == ["r"]
    assert unread.overdue() == []
    unread.mark("s", {"b"})
    assert not unread.waiting("s")
    assert not unread.read_back("s", "b")


def test_a_mark_within_its_time_is_not_overdue() -> None:
    unread = Unread(LONG)
    unread.mark("r", {"a"})
    assert unread.overdue() == []
    assert unread.waiting("r")


def test_slots_of_placements_are_not_free_until_these_are_read_back_or_overdue() -> None:
    unread = Unread(LONG)
    unread.mark("r", {"a", "b", "c"}, {"a": PLACE, "b": PLACE})
    unread.mark("r", {"a"}, {"a": PLACE})
    assert unread.placed == {PLACE: 2}
    unread.read_back("r", "a")
    unread.read_back("r", "c")
    assert unread.placed == {PLACE: 1}
    unread.read_back("r", "b")
    assert not unread.placed
    passed = Unread(PASSED)
    passed.mark("r", {"a"}, {"a": PLACE})
    passed.overdue()
    assert not passed.placed


def test_nobody_is_limited_where_nobody_else_waits() -> None:
    queues = LaneQueues()
    assert queues.most("a", {"claude"}) == {}
    queues.wait("a", {"claude"}, "normal")
    assert queues.most("a", {"claude"}) == {}
    assert queues.most("b", {"claude", "gemini"}) == {"claude": 0}


def test_a_free_slot_is_granted_to_one_run_and_to_no_other_until_that_one_decided() -> None:
    queues = waiting("a", "b")
    assert queues.grant("claude", 1) == ["a"]
    assert queues.grant("claude", 1) == []
    assert (queues.most("a", CLAUDE), queues.most("b", CLAUDE)) == ({"claude": 1}, {"claude": 0})
    assert queues.decided("a", "normal", CLAUDE, {"claude": 1}) == []
    assert queues.most("a", CLAUDE) == {"claude": 0}
    assert queues.grant("claude", 1) == ["b"]


def test_a_run_with_many_steps_gets_one_slot_in_turn_with_the_others() -> None:
    queues, served = waiting("greedy", "b", "c"), list[str]()
    for _ in range(6):
        [run_id] = queues.grant("claude", 1)
        served.append(run_id)
        queues.decided(run_id, "normal", CLAUDE, {"claude": 1})
    assert served == ["greedy", "b", "c"] * 2


def test_slots_that_a_run_has_no_use_for_are_granted_anew_and_it_waits_no_more() -> None:
    queues = waiting("a")
    assert queues.grant("claude", 3) == ["a"]
    queues.wait("b", CLAUDE, "normal")
    assert queues.grant("claude", 3) == []
    assert queues.decided("a", "normal", CLAUDE, {"claude": 1}) == ["claude"]
    assert queues.grant("claude", 2) == ["b"]
    assert queues.most("b", CLAUDE) == {}


def test_a_run_that_wants_no_slot_any_more_waits_no_more() -> None:
    queues = waiting("a", "b")
    assert queues.decided("a", "normal", set(), {}) == ["claude"]
    assert queues.grant("claude", 5) == ["b"]
    assert queues.decided("b", "normal", set(), {}) == ["claude"]
    assert queues.lanes() == []
    assert queues.known() == ["claude"]


def test_a_run_whose_slot_went_away_waits_and_is_not_asked_at_once_again() -> None:
    queues = waiting("a")
    queues.grant("claude", 1)
    assert queues.decided("a", "normal", CLAUDE, {}) == []
    assert queues.grant("claude", 1) == ["a"]


def test_a_run_that_does_not_answer_holds_a_slot_for_its_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    queues, now = waiting("stuck", "b"), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert queues.grant("claude", 1) == ["stuck"]
    now[0] = GRANT_S
    assert queues.most("stuck", CLAUDE) == {"claude": 0}
    assert [queues.grant("claude", 1) for _ in range(2)] == [["b"], []]
    queues.decided("b", "normal", CLAUDE, {"claude": 1})
    assert queues.grant("claude", 1) == ["b"], "who was stuck waits again only when it can decide"


def test_a_run_that_ended_neither_waits_nor_holds_a_slot() -> None:
    queues = waiting("a", "b")
    queues.grant("claude", 1)
    queues.leave("a")
    assert queues.grant("claude", 1) == ["b"]


def test_a_lane_is_deserted_from_when_that_was_first_seen_until_it_is_served() -> None:
    queues = LaneQueues()
    first = queues.deserted("claude", now_served=False)
    assert 0.0 <= first <= queues.deserted("claude", now_served=False)
    assert queues.deserted("claude", now_served=True) == 0.0
