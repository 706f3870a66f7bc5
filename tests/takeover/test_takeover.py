"""Over a log with many open runs: what an orchestrator reads when it starts, and how soon others take over.

`ELEXIRION_TAKEOVER_OPEN` says how many runs are open, `ELEXIRION_TAKEOVER_KILLS` how many workers are killed in all.
"""

from __future__ import annotations

import json
import os
from statistics import median

import pytest
from elexirion.agents.settings import Settings

from tests.e2e.cluster import Cluster
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.takeover.conftest import SNAPSHOT_RECORDS, Written
from tests.takeover.deaths import Death, die
from tests.takeover.probes import Probes
from tests.takeover.starting import NewRecords, leave, start_orchestrator

KILLS = int(os.environ.get("ELEXIRION_TAKEOVER_KILLS") or "5")
AT_ONCE = 5
LEASE_S: float = Settings.model_fields["lease_s"].default
CALLED_S = LEASE_S + 2
DECIDED_S = 10.0

pytestmark = [pytest.mark.quiet, pytest.mark.timeout(240 + 60 * KILLS // AT_ONCE)]


async def test_an_orchestrator_reads_open_runs_and_what_came_after_the_snapshots_and_no_more(long: Written) -> None:
    async with NewRecords(long.cluster) as records:
        living = long.cluster.start("living", roles="lanes", ELEXIRION_DRAIN_S="0")
        await records.serving(living)
    start = await start_orchestrator(long.cluster, "starting")
    await leave(living)
    print(f"{long.log.told()}\n{start.told()}")
    assert start.open_runs == long.log.open_runs
    assert start.records_read == long.log.unread
    assert max(long.log.unread.values()) <= SNAPSHOT_RECORDS
    assert sum(start.records_read.values()) < long.log.events / 3


async def test_others_go_on_soon_with_the_calls_and_the_partitions_of_workers_that_die(
    long: Written, stub: StubServer
) -> None:
    deaths: list[Death] = []
    async with long.cluster.tape() as tape, long.cluster.publisher() as publisher:
        await _start(long.cluster, tape, [f"first-{n}" for n in range(AT_ONCE + 1)])
        async with Probes(long.cluster, publisher) as probes:
            while len(deaths) < KILLS:
                names = [worker.name for worker in long.cluster.workers.values() if worker.alive][:AT_ONCE]
                deaths += await die(long.cluster, tape, publisher, probes, stub, names)
                if len(deaths) < KILLS:
                    await _start(long.cluster, tape, [f"after-{len(deaths)}-{n}" for n in range(AT_ONCE)])
    _report("provider call", [death.called_s for death in deaths], CALLED_S)
    _report("decision", [death.decided_s for death in deaths], DECIDED_S)
    assert max(death.called_s for death in deaths) <= CALLED_S
    assert max(death.decided_s for death in deaths) <= DECIDED_S


async def test_the_log_that_was_multiplied_keeps_every_promise_also_after_all_of_this(long: Written) -> None:
    _, out, err = await long.cluster.command_line("check-log", "--json")
    said = json.loads(out)
    assert [one["message"] for one in said["violations"]] == [], err
    assert said["counts"]["snapshots"] > 0


async def _start(cluster: Cluster, tape: Tape, names: list[str]) -> None:
    await cluster.ready(tape, *[cluster.start(name, lanes="claude,local") for name in names])


def _report(what: str, seconds: list[float], most_s: float) -> None:
    print(
        f"kill -9 to the next {what}: worst of {len(seconds)} {max(seconds):.2f} s, median {median(seconds):.2f} s "
        f"(at most {most_s:g} s)"
    )
