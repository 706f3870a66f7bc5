"""`make soak`: half an hour of steady load on a real broker; exit code 1 where a bound does not hold."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.kafka_broker import embedded_kafka
from tests.soak.soak import Plan, soak
from tests.soak.verdict import Bounds, Measured, broken, document, told
from tests.stub.client import StubServer


def main() -> int:
    """Print what was measured, for people or as one JSON document."""
    asked = _asked()
    plan = Plan(minutes=asked.minutes, share=asked.share, runs_per_s=asked.rate)
    measured, bounds = _soaked(plan), Bounds()
    print(json.dumps(document(measured, bounds)) if asked.json else told(measured, bounds))
    return 1 if broken(measured, bounds) else 0


def _soaked(plan: Plan) -> Measured:
    with tempfile.TemporaryDirectory(prefix="elexirion-soak-") as folder, embedded_kafka() as bootstrap:
        path = Path(folder)
        with StubServer(path / "ledger.jsonl") as stub:
            environment = {"ANTHROPIC_API_KEY": "stub-key", "ELEXIRION_ANTHROPIC_BASE_URL": stub.url}
            with Cluster(bootstrap, path, environment) as cluster:
                return asyncio.run(soak(plan, cluster, stub))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the load lasts")
    parser.add_argument("--share", type=float, default=0.6, help="of what the machine sustains, as measured first")
    parser.add_argument("--rate", type=float, default=0.0, help="runs a second instead")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
