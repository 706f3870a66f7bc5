"""`make takeover`: a long log with open runs, and how soon an orchestrator decides over it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import structlog
from elexirion.agents.settings import Settings
from elexirion.client.client import Client
from elexirion.client.log_check import check_log

from tests.e2e.cluster import Cluster
from tests.kafka_broker import embedded_kafka
from tests.takeover.long_log import LogWriter
from tests.takeover.recorded_runs import record_runs
from tests.takeover.starting import NewRecords, leave, python_start_s, start_orchestrator

LATEST_S = 5.0


def main() -> int:
    """Exit code 1 where an orchestrator decided too late."""
    parser = argparse.ArgumentParser(prog="make takeover", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events in the log, at least")
    parser.add_argument("--open", type=int, default=1_000, help="runs that have not ended")
    parser.add_argument("--check", action="store_true", help="hold the log to every promise first; takes a while")
    parser.add_argument("--starts", type=int, default=3, help="starts of each kind that are measured")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with embedded_kafka() as kafka, tempfile.TemporaryDirectory() as folder, Cluster(kafka, Path(folder)) as cluster:
        return asyncio.run(_measure(cluster, asked))


async def _measure(cluster: Cluster, asked: argparse.Namespace) -> int:
    await _write(cluster, asked.events, asked.open)
    if asked.check:
        await _check(cluster)
    print(f"loading Python modules alone: {python_start_s():.2f} s", flush=True)
    latest = max([await _start_both(cluster, number) for number in range(asked.starts)])
    print(f"worst of {2 * asked.starts} starts: {latest:.2f} s (at most {LATEST_S:g} s)")
    return int(latest > LATEST_S)


async def _write(cluster: Cluster, events: int, open_runs: int) -> None:
    recordings = await record_runs(cluster)
    began = time.monotonic()
    written = await LogWriter(cluster, recordings, progress=_progress).write(events, open_runs)
    print(f"{written.told()}; written in {time.monotonic() - began:.0f} s", flush=True)


async def _start_both(cluster: Cluster, number: int) -> float:
    """An orchestrator beside a worker that lives, then all roles in one process; the seconds of the slower one."""
    async with NewRecords(cluster) as records:
        living = cluster.start(f"living-{number}", roles="lanes", ELEXIRION_DRAIN_S="0")
        await records.serving(living)
    beside = await start_orchestrator(cluster, f"orchestrator-{number}")
    print(f"orchestrator beside a living worker: {beside.told()}", flush=True)
    await leave(living)
    alone = await start_orchestrator(cluster, f"alone-{number}", roles="orchestrator,lanes")
    print(f"all roles, alone: {alone.told()}", flush=True)
    return max(beside.first_decision_s, alone.first_decision_s)


async def _check(cluster: Cluster) -> None:
    settings = Settings(topic_prefix=cluster.topics.prefix, _env_file=None)
    async with Client(cluster.bootstrap, settings=settings) as client:
        found = await check_log(client)
    print(f"check-log: {len(found.violations)} violations in {found.counts.events} events", flush=True)
    assert not found.violations


def _progress(written: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{written} of {of} events ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
