"""Which open executions are given up, and which are only waited for."""

from typing import Any

import pytest
from elexirion.agents.decide import Lost
from elexirion.agents.orchestrator.losses import UNLISTED_BEATS, UNREAD_BEATS, lost, runs_with_losses
from elexirion.agents.orchestrator.open_executions import OpenExecution, OpenExecutions
from elexirion.events.identifiers import worker_of
from elexirion.events.worker import LaneOffer, WorkerHeartbeat, WorkerLeft
from elexirion.projections.fleet import Fleet, advance, expect, heartbeat, left

LEASE, GAP = 10.0, 3.0
WORKER, OTHER, OWN = "w1.aaaa", "w2.cccc", "o1.bbbb"


def beat(fleet: Fleet, number: int = 1, partitions: tuple[int, ...] = (0,), incarnation: str = WORKER) -> Fleet:
    offer = LaneOffer(lane="local", partitions=partitions, slots=1)
    data = WorkerHeartbeat(
        worker_id=worker_of(incarnation), incarnation=incarnation, number=number, roles=("lanes",), lanes=(offer,),
        held=(),
    )  # fmt: skip
    return heartbeat(fleet, data)


def after(fleet: Fleet, seconds: int) -> Fleet:
    """Own heartbeats came back each second."""
    for _ in range(seconds):
        fleet = advance(fleet, 1.0, GAP)
    return fleet


def execution(**fields: Any) -> OpenExecution:
    return OpenExecution("run-1/s#1", "run-1", "local", WORKER, **fields)


def why(fleet: Fleet, own: str = OWN, **fields: Any) -> Lost | None:
    return lost(fleet, execution(**fields), LEASE, own)


def test_a_worker_that_is_heard_loses_nothing() -> None:
    assert why(after(beat(Fleet()), 10)) is None


def test_a_silent_worker_loses_what_it_holds() -> None:
    assert why(after(beat(Fleet()), 11)) == Lost("lease_expired")


def test_how_long_it_ran_goes_from_its_start_to_the_last_sign_of_life() -> None:
    fleet = beat(after(beat(Fleet()), 4), number=2)
    assert why(after(fleet, 11), started_clock=1.0) == Lost("lease_expired", 3.0)


def test_a_start_read_after_the_last_sign_of_life_ran_for_no_time() -> None:
    assert why(after(beat(Fleet()), 11), started_clock=2.0) == Lost("lease_expired", 0.0)


def test_a_worker_that_said_goodbye_loses_at_once_and_by_that_name() -> None:
    fleet = left(beat(Fleet()), WorkerLeft(worker_id="w1", incarnation=WORKER))
    assert why(fleet) == Lost("worker_left")


def test_a_worker_never_heard_of_gets_a_full_lease() -> None:
    fleet = expect(Fleet(clock=100.0), WORKER)
    assert why(after(fleet, 10)) is None
    assert why(after(fleet, 11)) == Lost("lease_expired")


def test_silence_of_the_broker_is_nobodys_fault() -> None:
    assert why(advance(beat(Fleet()), 1000.0, GAP)) is None


def test_a_worker_that_dropped_the_lane_and_does_not_list_it_loses_it_after_some_beats() -> None:
    fleet = beat(beat(Fleet(), partitions=()), incarnation=OTHER)
    assert why(fleet, unlisted=UNLISTED_BEATS - 1) is None
    assert why(fleet, unlisted=UNLISTED_BEATS) == Lost("lane_dropped")


def test_while_all_workers_join_their_group_anew_an_execution_is_waited_for() -> None:
    fleet = beat(beat(Fleet(), partitions=()), partitions=(), incarnation=OTHER)
    assert why(fleet, unlisted=UNREAD_BEATS - 1) is None
    assert why(fleet, unlisted=UNREAD_BEATS) == Lost("lane_dropped")


def test_a_silent_reader_of_the_lane_is_nobody_who_could_take_it() -> None:
    fleet = beat(after(beat(Fleet(), incarnation=OTHER), 11), partitions=())
    assert why(fleet, unlisted=UNLISTED_BEATS) is None


def test_an_execution_that_is_not_listed_is_not_lost_while_the_worker_reads_the_lane() -> None:
    assert why(beat(Fleet()), unlisted=100) is None


def test_the_own_process_reads_no_lane_and_loses_nothing_by_that() -> None:
    assert why(beat(Fleet(), partitions=()), own=WORKER, unlisted=100) is None


def test_the_index_follows_what_opens_and_closes() -> None:
    index = OpenExecutions()
    index.open("run-1/s#1", "run-1", "local", WORKER)
    index.open("run-2/s#1", "run-2", "local", WORKER)
    assert index.taken == {(WORKER, "local"): 2}
    assert runs_with_losses(after(beat(Fleet()), 11), index, LEASE, OWN) == {"run-1", "run-2"}
    assert index.close("run-1/s#1") is not None
    assert index.close("run-1/s#1") is None
    assert index.taken == {(WORKER, "local"): 1}
    assert [each.id for each in index.of(WORKER)] == ["run-2/s#1"]
    index.drop_runs({"run-2"})
    assert (len(index), index.incarnations(), dict(index.taken)) == (0, [], {})


@pytest.mark.parametrize("seconds", [0, 10])
def test_without_losses_no_run_is_looked_at(seconds: int) -> None:
    index = OpenExecutions()
    index.open("run-1/s#1", "run-1", "local", WORKER)
    assert runs_with_losses(after(beat(Fleet()), seconds), index, LEASE, OWN) == set()
