"""A lane that is too narrow for its workers is widened, and the one that read nothing gets steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape

ALL = 16
NARROW = {"ELEXIRION_LANE_PARTITIONS": "1", "ELEXIRION_LOCAL_FALLBACK": "false"}
MANY = "name: many\nsteps:\n" + "".join(
    f"  - {{name: echo{n}, type: test_echo, value: {n}, delay_ms: 200, needs: []}}\n" for n in range(ALL)
)

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def narrow(kafka: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose lanes begin with one partition."""
    monkeypatch.setenv("ELEXIRION_LANE_PARTITIONS", NARROW["ELEXIRION_LANE_PARTITIONS"])
    with Cluster(kafka, tmp_path_factory.mktemp("narrow"), NARROW) as cluster:
        yield cluster


def _reads(tape: Tape, name: str) -> tuple[int, ...]:
    """The partitions of the local lane that the worker says it reads."""
    beat = tape.heartbeats().get(name)
    return tuple(partition for offer in beat.lanes for partition in offer.partitions) if beat else ()


async def test_a_second_worker_gets_steps_once_the_lane_is_widened(narrow: Cluster) -> None:
    async with narrow.tape() as tape, narrow.publisher() as publisher:
        narrow.start("first", lanes="local")
        await tape.until(lambda: _reads(tape, "first"), 20, "the first worker reads the lane")
        assert _reads(tape, "first") == (0,)
        narrow.start("second", roles="lanes", lanes="local")
        await tape.until(lambda: _both_read(tape), 35, "each worker reads the lane")

        run = run_id("wide")
        await publisher.start(run, MANY)
        await tape.completed(run, 20)
        done = {str(record.raw["incarnation"]).rpartition(".")[0] for record in tape.accepted(run, "StepCompleted")}
        assert done == {"first", "second"}
        assert {partition for name in done for partition in _reads(tape, name)} == {0, 1}


def _both_read(tape: Tape) -> bool:
    read = [_reads(tape, name) for name in ("first", "second")]
    return all(read) and not set(read[0]) & set(read[1])
