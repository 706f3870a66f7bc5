"""What stands between a role and the broker cannot be passed by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.broker import OwnBroker
from tests.chaos.proxy import proxies
from tests.e2e.cluster import NO_LANE, Cluster, run_id
from tests.e2e.tape import Tape

QUICK = {"ELEXIRION_HEARTBEAT_INTERVAL_S": "0.5"}


@pytest.fixture
def divided(
    broker: OwnBroker, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    with Cluster(broker.bootstrap, tmp_path_factory.mktemp("divided"), providers) as cluster:
        yield cluster


async def test_a_worker_behind_a_black_hole_writes_nothing_while_the_other_role_goes_on(
    divided: Cluster, broker: OwnBroker
) -> None:
    async with proxies(broker) as ways, divided.tape() as tape, divided.publisher() as publisher:
        decides = divided.start("decides", "orchestrator", ELEXIRION_KAFKA=ways["orchestrator"].address, **QUICK)
        works = divided.start("works", "lanes", "local", ELEXIRION_KAFKA=ways["lanes"].address, **QUICK)
        await divided.ready(tape, decides, works)
        await divided.deciding(tape)

        ways["lanes"].close()
        await _beats(tape, "decides", 2)  # what the worker had sent before is there
        last = tape.heartbeats()["works"].number
        await _beats(tape, "decides", 6)
        run = run_id("meanwhile")
        await publisher.start(run, NO_LANE)
        await tape.completed(run)
        assert tape.heartbeats()["works"].number == last
        assert works.alive

        ways["lanes"].heal()
        await _beats(tape, "works", 2)


async def _beats(tape: Tape, worker: str, more: int) -> None:
    now = tape.heartbeats()[worker].number
    await tape.until(lambda: tape.heartbeats()[worker].number >= now + more, 30, f"{worker} beats {more} times more")
