"""What the settings ask for is started, and nothing else is loaded."""

import subprocess
import sys
from contextlib import AsyncExitStack

import httpx
import pytest
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.settings import Settings
from elexirion.agents.telemetry.telemetry import Telemetry, Told
from elexirion.projections.providers import Providers
from structlog.testing import capture_logs

from tests.agents.telemetry.following import Orchestrator

NOWHERE = KafkaAddress("127.0.0.1:1")


def telemetry(**settings: object) -> Telemetry:
    """Of a process that is there and has no lanes."""
    given = {"_env_file": None, "http_port": None, **settings}
    return Telemetry(Settings(**given), NOWHERE, Told("w.1", lambda: (), lambda: None, Providers))  # type: ignore[arg-type]


def test_a_worker_that_serves_no_pages_and_sends_no_traces_loads_neither() -> None:
    code = "import sys, elexirion.agents.worker.process; print({'opentelemetry', 'uvicorn'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_worker_that_serves_lanes_alone_loads_neither_the_language_nor_the_decisions() -> None:
    code = (
        "import sys, elexirion.agents.worker.process; print([n for n in sys.modules if n.startswith("
        "('elexirion.agents.orchestrator.', 'elexirion.pipelines.steps.registry', 'elexirion.agents.decide'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


async def test_without_a_port_there_is_no_endpoint() -> None:
    async with AsyncExitStack() as stack:
        started = telemetry()
        await started.start(stack, None)
        assert started.url is None


async def test_with_a_port_pages_are_served_until_the_stack_ends() -> None:
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        async with AsyncExitStack() as stack:
            started = telemetry(http_port=0, health_timeout_s=2)
            await started.start(stack, None)
            assert started.url
            assert (await client.get(f"{started.url}/healthz")).status_code == 200
            ready = await client.get(f"{started.url}/readyz")
            assert ready.status_code == 503
            assert ready.json()["checks"]["kafka"]["status"] == "unhealthy"
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{started.url}/healthz")


async def test_it_is_not_ready_while_partitions_are_read() -> None:
    orchestrator = Orchestrator()
    owned = orchestrator.gain(1)
    async with AsyncExitStack() as stack, httpx.AsyncClient(verify=False, trust_env=False) as client:
        started = telemetry(http_port=0, health_timeout_s=2)
        await started.start(stack, orchestrator.followed)
        assert (await client.get(f"{started.url}/readyz")).json()[
            "reason"
        ] == "1 partitions are being read to their end"
        owned.caught_up = True
        assert (await client.get(f"{started.url}/readyz")).json()["reason"] is None


async def test_without_the_extra_the_log_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "elexirion.agents.telemetry.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    async with AsyncExitStack() as stack:
        with capture_logs() as logs:
            await telemetry(otlp_endpoint="http://127.0.0.1:1").start(stack, Orchestrator().followed)
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert "elexirion[otel]" in line["hint"]
