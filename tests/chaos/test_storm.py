"""`make storm`: kill -9 of a random worker or orchestrator every 2 s, under runs of streaming steps; then heal, check.

`ELEXIRION_STORM_…` are the fields of the plan in capitals, such as ELEXIRION_STORM_RUNS and ELEXIRION_STORM_MINUTES.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields

import pytest

from tests.chaos.broker import OwnBroker
from tests.chaos.storm import STEPS, Plan, storm
from tests.e2e.cluster import Cluster
from tests.stub.client import StubServer


def _asked() -> Plan:
    given = {one.name: os.environ.get(f"ELEXIRION_STORM_{one.name.upper()}") for one in fields(Plan)}
    return Plan(**{name: type(getattr(Plan(), name))(text) for name, text in given.items() if text})


PLAN = _asked()


@pytest.fixture
def weathered(
    broker: OwnBroker, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster on the broker that may be killed; a step that takes its workers along is no poison here."""
    more = {"ELEXIRION_POISON_CRASHES": "0"}
    with Cluster(broker.bootstrap, tmp_path_factory.mktemp("storm"), providers | more) as cluster:
        yield cluster


@pytest.mark.quiet
@pytest.mark.timeout(PLAN.minutes * 60 + PLAN.healed_within_s + 300)
async def test_every_run_completes_and_nothing_is_broken_after_a_storm(
    weathered: Cluster, broker: OwnBroker, stub: StubServer
) -> None:
    after = await storm(PLAN, weathered, broker, stub)
    print(f"{PLAN}\n{after.told()}")
    assert sum(after.did.values()), "nothing happened"
    assert not after.findings.violations, after.told()
    assert not after.open, f"open {PLAN.healed_within_s:g} s after the heal: {after.open}\n{after.told()}"
    assert after.ends == {"RunCompleted": PLAN.runs}, after.told()
    assert after.findings.counts.calls >= PLAN.runs * STEPS
