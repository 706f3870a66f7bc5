"""Free slots of a lane in turn: nobody starves, runs of a class take turns, and classes get their shares."""

from collections import Counter
from typing import get_args

import pytest
from elexirion.agents.fair_queue import WEIGHTS, FairQueue
from elexirion.events.priority import Priority
from hypothesis import given
from hypothesis import strategies as st

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
ALL = sum(WEIGHTS.values())
RUNS = st.dictionaries(st.sampled_from([f"r{n}" for n in range(12)]), st.sampled_from(PRIORITIES), min_size=1)
COMING_AND_GOING = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from("abcdefgh"), st.sampled_from(PRIORITIES)),
        st.tuples(st.just("leave"), st.sampled_from("abcdefgh"), st.just(PRIORITIES[0])),
        st.tuples(st.just("take"), st.just(""), st.just(PRIORITIES[0])),
    )
)


def queue_of(runs: dict[str, Priority]) -> FairQueue:
    queue = FairQueue()
    for run_id, priority in runs.items():
        queue.wait(run_id, priority)
    return queue


def after(steps: list[tuple[str, str, Priority]]) -> FairQueue:
    """A queue with a past."""
    queue = FairQueue()
    for what, run_id, priority in steps:
        if what == "wait":
            queue.wait(run_id, priority)
        elif what == "leave":
            queue.leave(run_id)
        else:
            queue.take()
    return queue


def taken(queue: FairQueue, count: int) -> list[str]:
    return [run_id for _ in range(count) if (run_id := queue.take())]


@given(COMING_AND_GOING, st.sampled_from(PRIORITIES))
def test_whoever_waits_is_served_whatever_was_before(steps: list[tuple[str, str, Priority]], own: Priority) -> None:
    """At the latest when each run before it in its class, and it, had their shares of slots, and one round more."""
    queue = after(steps)
    queue.wait("me", own)
    most = -(-ALL // WEIGHTS[own]) * (len(queue) + 2)
    assert "me" in taken(queue, most)


@given(COMING_AND_GOING, st.sampled_from(PRIORITIES), st.lists(st.sampled_from(PRIORITIES), min_size=400, max_size=400))
def test_whoever_waits_is_served_though_others_come_all_the_time(
    steps: list[tuple[str, str, Priority]], own: Priority, coming: list[Priority]
) -> None:
    queue = after(steps)
    queue.wait("me", own)
    most, served = -(-ALL // WEIGHTS[own]) * (len(queue) + 2), list[str | None]()
    for number, priority in enumerate(coming[:most]):
        queue.wait(f"new{number}", priority)
        served.append(queue.take())
    assert "me" in served


@given(RUNS)
def test_runs_of_a_class_take_turns_in_the_order_in_which_they_came(runs: dict[str, Priority]) -> None:
    queue = queue_of(runs)
    served = taken(queue, 10 * ALL * len(runs))
    for priority in PRIORITIES:
        members = [run_id for run_id, of in runs.items() if of == priority]
        order = [run_id for run_id in served if runs[run_id] == priority]
        assert order == [members[n % len(members)] for n in range(len(order))]


@given(RUNS, st.integers(1, 20))
def test_classes_get_their_shares_however_many_runs_they_have(runs: dict[str, Priority], rounds: int) -> None:
    weights = {priority: WEIGHTS[priority] for priority in set(runs.values())}
    served = Counter(runs[run_id] for run_id in taken(queue_of(runs), rounds * sum(weights.values())))
    for priority, weight in weights.items():
        assert abs(served[priority] - rounds * weight) <= 1


@given(COMING_AND_GOING)
def test_a_slot_goes_to_one_that_waits_and_to_none_where_nobody_does(steps: list[tuple[str, str, Priority]]) -> None:
    queue = after(steps)
    before = len(queue)
    run_id = queue.take()
    assert (run_id is None) == (before == 0)
    assert run_id is None or run_id in queue
    assert len(queue) == before


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_class_that_was_away_is_owed_nothing(priority: Priority) -> None:
    other: Priority = "normal" if priority != "normal" else "low"
    queue = queue_of({"there": other})
    taken(queue, 1000)
    queue.wait("back", priority)
    served = Counter(taken(queue, WEIGHTS[other] + WEIGHTS[priority]))
    assert abs(served["back"] - WEIGHTS[priority]) <= 1


def test_a_newcomer_of_the_same_class_is_served_within_one_turn_of_the_others() -> None:
    queue = queue_of({"batch": "normal"})
    taken(queue, 50)
    queue.wait("small", "normal")
    assert "small" in taken(queue, 2)


def test_a_run_that_left_is_served_no_more_and_says_whether_it_waited() -> None:
    queue = queue_of({"a": "normal", "b": "low"})
    assert queue.leave("a")
    assert not queue.leave("a")
    assert "a" not in queue
    assert taken(queue, 3) == ["b"] * 3
    assert queue.leave("b")
    assert queue.take() is None
