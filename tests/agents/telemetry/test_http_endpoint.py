"""The three pages over real HTTP: metrics, life, readiness."""

import signal
from collections.abc import AsyncIterator

import httpx
import pytest
from elexirion.agents.health.report import Examined, Finding, HealthReport, Status
from elexirion.agents.telemetry.errors import PortTakenError
from elexirion.agents.telemetry.http_endpoint import HttpEndpoint, Sources
from elexirion.events.envelope import utc_now
from prometheus_client.parser import text_string_to_metric_families

from tests.agents.telemetry.scraping import Process


class Pages:
    """What the endpoint shows, to be changed."""

    def __init__(self) -> None:
        self.process = Process()
        self.status: Status = "healthy"
        self.reason: str | None = None
        self.refreshed = 0
        self.endpoint = HttpEndpoint(
            Sources(self.process.registry, self.refresh, self.examine, lambda: self.reason), "127.0.0.1", 0
        )

    async def refresh(self) -> None:
        """Before a scrape."""
        self.refreshed += 1

    async def examine(self) -> HealthReport:
        """One check."""
        return HealthReport({"kafka": Examined(Finding(self.status, "said"), utc_now(), 0.1)}, utc_now())

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """One page."""
        async with httpx.AsyncClient(verify=False, trust_env=False) as client:
            return await client.get(self.endpoint.url + path, headers=headers)


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    shown = Pages()
    await shown.endpoint.start()
    yield shown
    await shown.endpoint.stop()


async def test_metrics_are_text_that_prometheus_reads(pages: Pages) -> None:
    answer = await pages.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"pipeline_steps", "pipeline_step_duration_seconds", "elexirion_lane_slots"} <= names
    assert pages.refreshed == 1


async def test_metrics_are_openmetrics_where_that_is_asked_for(pages: Pages) -> None:
    answer = await pages.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_it_lives(pages: Pages) -> None:
    answer = await pages.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_it_is_ready_while_nothing_is_unhealthy(pages: Pages) -> None:
    found: list[tuple[int, bool]] = []
    for pages.status in ("healthy", "degraded", "unhealthy", "healthy"):
        answer = await pages.get("/readyz")
        assert answer.json()["checks"]["database"]["status"] == pages.status
        found.append((answer.status_code, answer.json()["ready"]))
    assert found == [(200, True), (200, True), (503, False), (200, True)]


async def test_it_is_not_ready_while_it_starts_or_drains(pages: Pages) -> None:
    pages.reason = "draining"
    answer = await pages.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "draining")


async def test_it_listens_on_loopback_alone_and_takes_no_signals(pages: Pages) -> None:
    assert pages.endpoint.url.startswith("http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_a_port_that_is_taken_is_a_clear_error(pages: Pages) -> None:
    port = int(pages.endpoint.url.rpartition(":")[2])
    other = HttpEndpoint(Pages().endpoint._sources, "127.0.0.1", port)
    with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port} .*ELEXIRION_HTTP_PORT"):
        await other.start()
