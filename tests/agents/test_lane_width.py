"""A lane gets more partitions when a worker of it reads none."""

from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.orchestrator.lane_width import UNSERVED_S, LaneWidth, wanted
from elexirion.events.worker import LaneOffer, WorkerHeartbeat
from elexirion.projections.fleet import Fleet, heartbeat

LEASE_S = 10.0


def fleet(*partitions: tuple[int, ...], draining: bool = False) -> Fleet:
    """A worker for each tuple, reading these partitions of the local lane."""
    known = Fleet()
    for number, read in enumerate(partitions):
        known = heartbeat(known, WorkerHeartbeat(
            worker_id=f"w{number}", incarnation=f"w{number}.a", number=1, roles=("lanes",), held=(),
            draining=draining, lanes=(LaneOffer(lane="local", partitions=read, slots=4),),
        ))  # fmt: skip
    return known


def test_a_lane_is_wide_enough_while_every_worker_reads_a_partition() -> None:
    assert wanted(fleet((0, 1), (2, 3)), "local", LEASE_S) is None


def test_a_worker_without_a_partition_doubles_the_lane() -> None:
    assert wanted(fleet((0,), (1,), (2,), (3,), ()), "local", LEASE_S) == 8


def test_a_lane_gets_a_partition_for_each_of_many_new_workers() -> None:
    assert wanted(fleet((0,), (), (), (), ()), "local", LEASE_S) == 5


def test_nobody_reads_while_the_group_shares_its_partitions_anew() -> None:
    assert wanted(fleet((), ()), "local", LEASE_S) is None


def test_a_draining_worker_widens_nothing() -> None:
    assert wanted(fleet((0,), (), draining=True), "local", LEASE_S) is None


async def test_a_lane_is_widened_once_after_a_while_and_a_refusal_stops_nothing(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    now, asked = [100.0], []
    monkeypatch.setattr("elexirion.agents.orchestrator.lane_width.time.monotonic", lambda: now[0])

    async def widen(lane: str, count: int) -> None:
        asked.append((lane, count))
        raise KafkaProblem("not allowed")

    width, narrow = LaneWidth(widen, LEASE_S), fleet((0,), ())
    await width.look(narrow)
    assert asked == []
    now[0] += UNSERVED_S
    await width.look(narrow)
    await width.look(narrow)
    assert asked == [("local", 2)]
