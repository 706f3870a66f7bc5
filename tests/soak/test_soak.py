"""The harness itself, for a few seconds: it measures what is there, and finds a leak that was put in."""

from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.soak.soak import Plan, soak
from tests.soak.verdict import Bounds, broken, document
from tests.stub.client import StubServer

# Far more than anything that a process gains while it warms up: 20 MB, 20 descriptors and 20 threads a second.
LEAK = """\
import os, sys, threading, time

kept = []

def leak():
    while "elexirion.agents.worker.process" not in sys.modules:
        time.sleep(0.1)
    while True:
        time.sleep(0.05)
        kept.append(b"x" * 2**20)
        os.open("/dev/null", os.O_RDONLY)
        threading.Thread(target=threading.Event().wait, daemon=True).start()

threading.Thread(target=leak, daemon=True).start()
"""
PLAN = Plan(minutes=0.1, runs_per_s=8, measure_s=0, every_s=0.2, latency_every_s=1)
BOUNDS = Bounds(rss_mb_per_hour=20_000, fds=15, threads=15, drift=1000)


@pytest.mark.quiet
async def test_a_soak_finds_the_worker_that_leaks_and_no_other(
    cluster: Cluster, stub: StubServer, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(LEAK)
    measured = await soak(PLAN, cluster, stub, more={"PYTHONPATH": str(tmp_path)})
    assert [line.partition(" gains")[0].partition(" has")[0] for line in broken(measured, BOUNDS)] == [
        "memory: worker-1",
        "files: worker-1",
        "threads: worker-1",
    ]
    assert measured.ends == {"RunCompleted": measured.started}
    assert measured.calls >= measured.started >= 20
    said = document(measured, BOUNDS)
    assert [one["process"] for one in said["processes"]] == ["orchestrator", "worker-1", "worker-2"]
    assert len(said["minutes"]) >= 5
    assert all(minute["p50_ms"] > minute["hop_ms"] > 0 for minute in said["minutes"])
    assert said["violations"] == 0
    assert said["events"] > 10 * measured.started
