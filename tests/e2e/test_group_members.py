"""A worker is the same member of its groups in each of its lives, and leaves them when it is told to end.

The session of the groups is so long here that nothing in these tests can come of its end.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import NO_LANE, Cluster, run_id
from tests.e2e.tape import Tape

SESSION_S = 60.0
WITHIN_S = 40.0


@pytest.fixture
def patient(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"ELEXIRION_GROUP_SESSION_TIMEOUT_S": str(SESSION_S)}
    with Cluster(kafka, tmp_path_factory.mktemp("members"), settings) as cluster:
        yield cluster


async def test_a_killed_worker_has_its_lanes_again_and_nobody_else_s_are_moved(patient: Cluster) -> None:
    async with patient.tape() as tape:
        await patient.ready(tape, patient.start("one", "lanes"), patient.start("two", "lanes"))
        first, seen = tape.heartbeats()["one"].incarnation, len(tape.workers)

        patient.workers["one"].kill()
        patient.start("one", "lanes")
        await tape.until(lambda: _lanes(tape, "one", but_not=first), WITHIN_S, "it has its lanes again")

        beats = [one.record.data for one in tape.workers[seen:] if one.record.run_id == "two"]
        assert len({beat.lanes[0].partitions for beat in beats}) == 1, "the other one kept what it had"


async def test_the_partitions_of_a_killed_orchestrator_are_decided_again_once_it_is_started(patient: Cluster) -> None:
    async with patient.tape() as tape:
        await patient.ready(tape, patient.start("one", "orchestrator"), patient.start("two", "orchestrator"))
        await patient.deciding(tape)
        patient.workers["one"].kill()
        patient.start("one", "orchestrator")
        await patient.deciding(tape)


async def test_what_a_worker_had_goes_to_others_at_once_when_it_is_told_to_end(patient: Cluster) -> None:
    async with patient.tape() as tape, patient.publisher() as publisher:
        await patient.ready(tape, patient.start("one"), patient.start("two"))
        await patient.deciding(tape)
        patient.workers["one"].signal(signal.SIGTERM)
        assert await patient.workers["one"].ended(WITHIN_S) == 0
        await patient.ready(tape, patient.workers["two"])
        runs = [run_id("after") for _ in range(16)]
        for run in runs:
            await publisher.start(run, NO_LANE)
        for run in runs:
            await tape.completed(run, WITHIN_S)


async def test_two_processes_of_one_worker_id_are_told_of(patient: Cluster) -> None:
    async with patient.tape() as tape:
        await patient.ready(tape, patient.start("one"))
        twin = patient.start("twin", ELEXIRION_WORKER_ID="one")
        log = patient.workers["one"].log
        await tape.until(lambda: "two processes run under one worker id" in log.read_text(), WITHIN_S, "it is told")
        assert twin.alive
        assert patient.workers["one"].alive


def _lanes(tape: Tape, worker: str, but_not: str) -> bool:
    beat = tape.heartbeats()[worker]
    return beat.incarnation != but_not and all(offer.partitions for offer in beat.lanes)
