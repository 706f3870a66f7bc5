"""Who lives: heartbeats on a clock that only the reader's own heartbeats move."""

from typing import Any

from elexirion.agents.dispatch import Placement, choose
from elexirion.events.worker import LaneOffer, WorkerHeartbeat, WorkerLeft
from elexirion.projections import fleet as fold
from elexirion.projections.fleet import Fleet
from hypothesis import given
from hypothesis import strategies as st

LEASE = 10.0
GAP = 3.0
W1, W1_AGAIN, W2 = "w1.aaaa", "w1.cccc", "w2.bbbb"


def beat(incarnation: str = W1, number: int = 1, **fields: Any) -> WorkerHeartbeat:
    said: dict[str, Any] = {
        "worker_id": incarnation.partition(".")[0], "incarnation": incarnation, "number": number,
        "roles": ("lanes",), "lanes": (LaneOffer(lane="local", partitions=(0, 1), slots=4),), "held": (),
    }  # fmt: skip
    return WorkerHeartbeat(**{**said, **fields})


def passing(fleet: Fleet, seconds: float, step: float = 1.0) -> Fleet:
    """Own heartbeats come back a second apart."""
    for _ in range(int(seconds / step)):
        fleet = fold.advance(fleet, step, GAP)
    return fleet


def test_a_heartbeat_makes_its_incarnation_live() -> None:
    fleet = fold.heartbeat(Fleet(), beat())
    assert fleet.live(W1, LEASE)
    assert not fleet.silent(W1, LEASE)
    assert fleet.members[W1].partitions("local") == (0, 1)
    assert (fleet.members[W1].slots("local"), fleet.members[W1].slots("claude")) == (4, 0)
    assert fleet.members[W1].partitions("claude") == ()


def test_a_lease_runs_out_after_its_length_and_not_at_it() -> None:
    fleet = passing(fold.heartbeat(Fleet(), beat()), LEASE)
    assert fleet.live(W1, LEASE)
    fleet = fold.advance(fleet, 0.1, GAP)
    assert fleet.silent(W1, LEASE)
    assert not fleet.live(W1, LEASE)


def test_an_incarnation_that_is_silent_while_the_next_one_of_its_worker_beats_is_replaced() -> None:
    fleet = fold.heartbeat(fold.heartbeat(Fleet(), beat()), beat(W2))
    fleet = fold.heartbeat(passing(fleet, 2), beat(W1_AGAIN))
    assert fleet.live(W1, LEASE), "for as long as that it may just be late"
    fleet = fold.heartbeat(passing(fleet, 1), beat(W1_AGAIN, 2))
    assert fleet.silent(W1, LEASE)
    assert not fleet.live(W1, LEASE)
    assert fleet.live(W2, LEASE), "another worker has nothing to do with it"
    assert fleet.live(W1_AGAIN, LEASE)


def test_two_processes_of_one_worker_id_that_both_beat_do_not_replace_each_other() -> None:
    fleet = Fleet()
    for number in range(1, 20):
        fleet = fold.heartbeat(fold.heartbeat(passing(fleet, 1), beat(W1, number)), beat(W1_AGAIN, number))
        assert fleet.live(W1, LEASE)
        assert fleet.live(W1_AGAIN, LEASE)


def test_a_process_that_beats_after_another_of_its_worker_id_shares_it() -> None:
    fleet = fold.heartbeat(fold.heartbeat(Fleet(), beat()), beat(W2))
    assert not fold.shares_its_worker(fleet, beat(W1, 2)), "another worker is no twin"
    fleet = fold.heartbeat(fleet, beat(W1_AGAIN))
    assert not fold.shares_its_worker(fleet, beat(W1_AGAIN, 2)), "the one before may be dead"
    assert fold.shares_its_worker(fleet, beat(W1, 2))


def test_one_that_was_replaced_and_beats_again_lives() -> None:
    fleet = passing(fold.heartbeat(Fleet(), beat()), 3)
    fleet = fold.heartbeat(fleet, beat(W1_AGAIN))
    assert fleet.silent(W1, LEASE)
    assert fold.heartbeat(fleet, beat(W1, 2)).live(W1, LEASE)


def test_an_incarnation_never_heard_of_is_replaced_as_well() -> None:
    fleet = fold.heartbeat(passing(fold.expect(Fleet(), W1), 3), beat(W1_AGAIN))
    assert fleet.silent(W1, LEASE)


def test_heartbeats_from_before_the_start_replace_nobody() -> None:
    fleet = fold.heartbeat(passing(fold.expect(Fleet(), W1), 3), beat(W1_AGAIN), old=True)
    assert not fleet.silent(W1, LEASE)


def test_the_lease_clock_stands_still_while_the_reader_hears_nothing() -> None:
    fleet = fold.heartbeat(Fleet(), beat())
    for number in range(2, 50):
        fleet = fold.heartbeat(fleet, beat(W2, number))
    assert fleet.clock == 0.0
    assert fleet.live(W1, LEASE)


def test_after_a_gap_everyone_has_a_full_lease() -> None:
    fleet = passing(fold.heartbeat(Fleet(), beat()), 9)
    fleet = fold.advance(fleet, 500.0, GAP)
    assert fleet.clock == 9
    assert not fleet.silent(W1, LEASE)
    assert not passing(fleet, 10).silent(W1, LEASE)
    assert passing(fleet, 11).silent(W1, LEASE)


def test_a_new_heartbeat_renews_the_lease() -> None:
    fleet = passing(fold.heartbeat(Fleet(), beat()), 9)
    fleet = passing(fold.heartbeat(fleet, beat(number=2)), 9)
    assert fleet.live(W1, LEASE)


def test_older_and_repeated_numbers_are_ignored() -> None:
    fleet = fold.heartbeat(Fleet(), beat(number=5, held=("r/a#1",)))
    fleet = passing(fleet, 9)
    for number in (1, 4, 5):
        assert fold.heartbeat(fleet, beat(number=number)) is fleet
    assert passing(fleet, 2).silent(W1, LEASE)


def test_heartbeats_from_before_the_start_are_no_sign_of_life() -> None:
    fleet = fold.heartbeat(Fleet(), beat(number=5), old=True)
    assert not fleet.live(W1, LEASE)
    assert not fleet.silent(W1, LEASE), "whoever holds an execution gets a full lease all the same"
    assert passing(fleet, 11).silent(W1, LEASE)
    assert fold.heartbeat(fleet, beat(number=6)).live(W1, LEASE)


def test_who_left_is_silent_at_once_and_stays_so() -> None:
    fleet = fold.heartbeat(Fleet(), beat())
    fleet = fold.left(fleet, WorkerLeft(worker_id="w1", incarnation=W1))
    assert fleet.silent(W1, LEASE)
    assert not fleet.live(W1, LEASE)
    late = fold.heartbeat(fleet, beat(number=2))
    assert late.silent(W1, LEASE), "a heartbeat that was under way does not bring it back"


def test_an_unknown_incarnation_may_leave() -> None:
    assert fold.left(Fleet(), WorkerLeft(worker_id="w1", incarnation=W1)).silent(W1, LEASE)


def test_who_declined_gets_nothing_until_its_next_heartbeat() -> None:
    fleet = fold.heartbeat(Fleet(), beat())
    fleet = fold.declined(fleet, W1)
    assert choose(Placement(fleet, LEASE), "local", {}) is None
    fleet = fold.heartbeat(fleet, beat(number=2))
    assert choose(Placement(fleet, LEASE), "local", {}) == W1
    assert fold.declined(fleet, W2) == fleet


def test_an_incarnation_named_and_never_heard_of_gets_one_full_lease() -> None:
    fleet = passing(Fleet(), 30)
    assert not fleet.silent(W1, LEASE), "nobody named it"
    fleet = fold.expect(fleet, W1)
    assert not fleet.silent(W1, LEASE) and not fleet.live(W1, LEASE)
    fleet = fold.expect(passing(fleet, 11), W1)
    assert fleet.silent(W1, LEASE), "naming it again renews nothing"


def test_expecting_a_known_incarnation_changes_nothing() -> None:
    fleet = fold.heartbeat(Fleet(), beat())
    assert fold.expect(fleet, W1) is fleet


def test_the_long_silent_are_forgotten_unless_an_execution_names_them() -> None:
    fleet = fold.heartbeat(fold.heartbeat(Fleet(), beat(W1)), beat(W2))
    fleet = passing(fleet, 301)
    assert set(fold.forget(fleet, frozenset({W2}), 300).members) == {W2}
    fleet = fold.heartbeat(fleet, beat(W1, 2))
    assert set(fold.forget(fleet, frozenset(), 300).members) == {W1}
    assert fold.forget(fold.forget(fleet, frozenset(), 300), frozenset(), 300).members.keys() == {W1}


@given(st.lists(st.floats(0, 10, allow_nan=False), max_size=30))
def test_nobody_is_silent_before_the_clock_made_more_than_a_lease(steps: list[float]) -> None:
    fleet, gone = fold.heartbeat(Fleet(), beat()), 0.0
    for elapsed in steps:
        fleet = fold.advance(fleet, elapsed, GAP)
        gone = gone + elapsed if elapsed <= GAP else 0.0
        assert fleet.silent(W1, LEASE) == (fleet.clock - fleet.members[W1].heard_at > LEASE)
        assert not fleet.silent(W1, LEASE) or gone > LEASE - 1e-6
