"""Who gets an execution: the least loaded of those who may have it."""

from typing import Any

import pytest
from elexirion.agents.dispatch import Placement, choose, free_slots, has_worker, partition_for
from elexirion.events.worker import LaneOffer, WorkerHeartbeat, WorkerLeft
from elexirion.projections.fleet import Fleet, advance, heartbeat, left

LEASE = 10.0


def beat(incarnation: str, number: int = 1, **fields: Any) -> WorkerHeartbeat:
    offer = {"lane": "claude", "partitions": (0, 1, 2), "slots": 2, **fields.pop("offer", {})}
    said: dict[str, Any] = {"roles": ("lanes",), "lanes": (LaneOffer(**offer),), "held": (), **fields}
    return WorkerHeartbeat(worker_id=incarnation, incarnation=incarnation, number=number, **said)


def fleet_of(*beats: WorkerHeartbeat) -> Fleet:
    fleet = Fleet()
    for each in beats:
        fleet = heartbeat(fleet, each)
    return fleet


def placement(*beats: WorkerHeartbeat, **fields: Any) -> Placement:
    return Placement(fleet_of(*beats), LEASE, **fields)


def test_the_least_loaded_worker_gets_it() -> None:
    place = placement(beat("a", offer={"held": 1}), beat("b"))
    assert choose(place, "claude", {}) == "b"


def test_what_the_orchestrator_placed_counts_before_a_heartbeat_tells() -> None:
    place = placement(beat("a"), beat("b"), taken={("a", "claude"): 1})
    assert choose(place, "claude", {}) == "b"
    assert choose(place, "claude", {("b", "claude"): 2}) == "a"


def test_a_load_that_both_know_of_counts_once() -> None:
    place = placement(beat("a", offer={"held": 1}), taken={("a", "claude"): 1})
    assert choose(place, "claude", {}) == "a"


def test_many_placements_of_one_decision_are_spread() -> None:
    place = placement(beat("a"), beat("b"))
    placed: dict[tuple[str, str], int] = {}
    order = []
    while chosen := choose(place, "claude", placed):
        order.append(chosen)
        placed[(chosen, "claude")] = placed.get((chosen, "claude"), 0) + 1
    assert order == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    "unfit",
    [
        beat("a", draining=True), beat("a", offer={"partitions": ()}), beat("a", offer={"slots": 0}),
        beat("a", offer={"lane": "gemini"}), beat("a", offer={"held": 2}),
    ],
    ids=["draining", "no partition", "no slots", "other lane", "full"],
)  # fmt: skip
def test_a_worker_that_cannot_take_it_gets_nothing(unfit: WorkerHeartbeat) -> None:
    assert choose(placement(unfit), "claude", {}) is None
    assert choose(placement(unfit, beat("b")), "claude", {}) == "b"


def test_a_silent_a_gone_and_an_old_worker_get_nothing() -> None:
    silent = advance(fleet_of(beat("a")), LEASE + 1, 100.0)
    gone = left(fleet_of(beat("a")), WorkerLeft(worker_id="a", incarnation="a"))
    old = heartbeat(Fleet(), beat("a"), old=True)
    for fleet in (silent, gone, old):
        assert choose(Placement(fleet, LEASE), "claude", {}) is None
        assert not has_worker(Placement(fleet, LEASE), "claude")


def test_the_own_process_steps_in_only_where_no_worker_lives() -> None:
    fallback = {"claude": "own"}
    assert choose(placement(fallback=fallback), "claude", {}) == "own"
    assert choose(placement(fallback=fallback), "gemini", {}) is None
    full = beat("a", offer={"held": 2})
    assert choose(placement(full, fallback=fallback), "claude", {}) is None


def test_the_own_process_takes_no_more_than_it_may() -> None:
    place = placement(fallback={"claude": "own"}, fallback_slots=2, taken={("own", "claude"): 1})
    assert choose(place, "claude", {}) == "own"
    assert choose(place, "claude", {("own", "claude"): 1}) is None


def test_executions_spread_over_the_partitions_a_worker_reads() -> None:
    member = fleet_of(beat("a", offer={"partitions": (3, 5, 7)})).members["a"]
    ids = [f"run-{n}/s#1" for n in range(60)]
    assert {partition_for(member, "claude", id) for id in ids} == {3, 5, 7}
    assert partition_for(member, "claude", ids[0]) == partition_for(member, "claude", ids[0])
    assert len({partition_for(member, "claude", ids[0], again) for again in range(3)}) == 3
    assert partition_for(member, "gemini", ids[0]) is None


@pytest.mark.parametrize("taken", [{}, {("a", "claude"): 1}, {("a", "claude"): 2, ("b", "claude"): 5}])
@pytest.mark.parametrize(
    "beats", [(), (beat("a"),), (beat("a"), beat("b", offer={"held": 1})), (beat("a", draining=True),)]
)
@pytest.mark.parametrize("fallback", [{}, {"claude": "own"}])
def test_as_many_slots_are_free_as_can_be_chosen(
    taken: dict[tuple[str, str], int], beats: tuple[WorkerHeartbeat, ...], fallback: dict[str, str]
) -> None:
    place = placement(*beats, taken=taken, fallback=fallback, fallback_slots=3)
    placed: dict[tuple[str, str], int] = {}
    while chosen := choose(place, "claude", placed):
        placed[(chosen, "claude")] = placed.get((chosen, "claude"), 0) + 1
    assert free_slots(place, "claude") == sum(placed.values())
