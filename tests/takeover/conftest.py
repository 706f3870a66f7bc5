"""A long log on a real broker, made once for all tests of this folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.conftest import providers
from tests.stub.fixtures import stub, stub_process
from tests.takeover.long_log import LogWriter, LongLog
from tests.takeover.recorded_runs import record_runs

__all__ = ["providers", "stub", "stub_process"]

OPEN = int(os.environ.get("ELEXIRION_TAKEOVER_OPEN") or "100")
SNAPSHOT_RECORDS = OPEN * 5 // 2
"""As far apart as by default where a thousand runs are open."""


@dataclass(frozen=True, slots=True)
class Written:
    """A cluster without processes, and the log that is there."""

    cluster: Cluster
    log: LongLog


@pytest.fixture(scope="session")
def long(kafka: str, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """Eighty events for each run that is open, twenty of them behind the snapshots."""
    often = {"ELEXIRION_SNAPSHOT_RECORDS": str(SNAPSHOT_RECORDS), "ELEXIRION_CLAUDE_SLOTS": "40"}
    with Cluster(kafka, tmp_path_factory.mktemp("takeover"), providers | often) as cluster:
        yield Written(cluster, asyncio.run(_write(cluster)))


async def _write(cluster: Cluster) -> LongLog:
    recordings = await record_runs(cluster)
    return await LogWriter(cluster, recordings, SNAPSHOT_RECORDS).write(80 * OPEN, OPEN)
