"""A soak: an orchestrator and two workers of lanes under steady load, watched, and the log checked afterwards."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.e2e.cluster import CLI, Cluster
from tests.kafka_broker import free_port
from tests.soak.load import Load
from tests.soak.samples import MINUTE_S, minutes
from tests.soak.verdict import Measured
from tests.soak.watching import Watch
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

PIECES = tuple(f"piece {number} " for number in range(1, 5))
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """`share` of what the machine sustains, measured for `measure_s`, or `runs_per_s` where that is given."""

    minutes: float = 30.0
    share: float = 0.6
    runs_per_s: float = 0.0
    measure_s: float = 20.0
    every_s: float = 5.0
    latency_every_s: float = MINUTE_S


async def soak(plan: Plan, cluster: Cluster, stub: StubServer, more: dict[str, str] | None = None) -> Measured:
    """Live through it; the cluster has no processes yet. `more` is further environment of the first worker."""
    stub.script(Rule(answer=Answer(chunks=PIECES)))
    pages = await _start(cluster, more or {})
    async with Load(cluster) as load:
        rate = plan.runs_per_s or plan.share * await load.sustained(plan.measure_s, AT_ONCE)
        watch = Watch(cluster, pages, plan.every_s, lambda: load.seconds, _tell)
        watching = asyncio.create_task(watch.run())
        await load.steady(rate, plan.minutes * 60)
        took = load.seconds
        await _ended(watching)
        await load.at_rest()
    began = time.monotonic()
    checked = await asyncio.to_thread(_checked, cluster)
    calls = _calls(stub)
    course = minutes(load.runs, load.hops, watch.lags, took, plan.latency_every_s)
    return Measured(
        seconds=took, asked_runs_per_s=rate, started=load.started, ends=dict(load.ends), held_back=load.held_back,
        samples=tuple(watch.samples), minutes=tuple(course),
        violations=len(checked["violations"]), events=checked["counts"]["events"], check_s=time.monotonic() - began,
        calls=sum(calls.values()), repeated=sum(count > 1 for count in calls.values()),
    )  # fmt: skip


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _ended(watching: asyncio.Task[None]) -> None:
    """End it; raises what ended it before."""
    if watching.done():
        watching.result()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def _start(cluster: Cluster, more: dict[str, str]) -> dict[str, str]:
    port = free_port()
    async with cluster.tape() as tape:
        deciding = cluster.start("orchestrator", roles="orchestrator", ELEXIRION_HTTP_PORT=str(port))
        working = [
            cluster.start(name, roles="lanes", lanes="claude,local", **settings)
            for name, settings in (("worker-1", more), ("worker-2", {}))
        ]
        await cluster.ready(tape, deciding, *working)
        await cluster.deciding(tape)
    return {deciding.name: f"http://127.0.0.1:{port}"}


def _checked(cluster: Cluster) -> dict[str, Any]:
    words = [*CLI, "check-log", "--all-ended", "--json"]
    done = subprocess.run(words, env=cluster.environment(), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _calls(stub: StubServer) -> Counter[str]:
    return Counter(row.call_id or "" for row in stub.ledger() if row.state == "opened")
