"""Marks of unread decisions, and who waits for which lane."""

from elexirion.agents.orchestrator.unread import Unread
from elexirion.agents.orchestrator.waiting import LaneQueues

LONG, PASSED = 1000.0, 0.0


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


def test_runs_are_served_in_the_order_in_which_they_came() -> None:
    queues = LaneQueues()
    for run_id in ("a", "b", "a", "c"):
        queues.wait(run_id, {"claude"})
    assert queues.first("claude", 2) == ["a", "b"]
    queues.wait("a", {"claude"})
    assert queues.first("claude", 10) == ["c", "a"]
    assert queues.first("claude", 10) == []


def test_one_run_with_many_steps_cannot_push_the_others_back() -> None:
    queues = LaneQueues()
    served: list[str] = []
    for run_id in ("greedy", "b", "c"):
        queues.wait(run_id, {"claude"})
    for _ in range(6):
        (run_id,) = queues.first("claude", 1)
        served.append(run_id)
        queues.wait(run_id, {"claude"})
    assert served == ["greedy", "b", "c"] * 2


def test_a_run_knows_whether_others_wait_for_its_lanes() -> None:
    queues = LaneQueues()
    queues.wait("a", {"claude"})
    assert not queues.others("a", {"claude"})
    assert queues.others("b", {"claude"})
    assert not queues.others("b", {"gemini"})
    queues.wait("b", {"claude", "gemini"})
    assert queues.others("a", {"claude"})
    queues.leave("b")
    assert not queues.others("a", {"claude", "gemini"})
    assert queues.lanes() == ["claude"]
    assert set(queues.known()) == {"claude", "gemini"}


def test_a_lane_is_deserted_from_when_that_was_first_seen_until_it_is_served() -> None:
    queues = LaneQueues()
    first = queues.deserted("claude", now_served=False)
    assert 0.0 <= first <= queues.deserted("claude", now_served=False)
    assert queues.deserted("claude", now_served=True) == 0.0
