"""A broker, a stub of the providers, and a standing cluster of two workers for tests that end no process."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.cluster import Cluster, Publisher
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.fixtures import stub, stub_process

__all__ = ["stub", "stub_process"]


@pytest.fixture(scope="session")
def providers(stub_process: StubServer) -> dict[str, str]:
    """Settings with which workers call the stub."""
    return {
        "ANTHROPIC_API_KEY": "stub-key",
        "GEMINI_API_KEY": "stub-key",
        "ELEXIRION_ANTHROPIC_BASE_URL": stub_process.url,
        "ELEXIRION_GEMINI_BASE_URL": stub_process.url,
    }


PATIENT = {"ELEXIRION_CIRCUIT_THRESHOLD": "1000"}
"""For clusters that several tests share: calls that one of them lets fail open no circuit for the others."""


@pytest.fixture(scope="session")
def standing(kafka: str, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers with all roles."""
    with Cluster(kafka, tmp_path_factory.mktemp("standing"), providers | PATIENT) as cluster:
        asyncio.run(_two_workers(cluster))
        yield cluster


async def _two_workers(cluster: Cluster) -> None:
    async with cluster.tape() as tape:
        await cluster.ready(tape, cluster.start("standing-a"), cluster.start("standing-b"))
        await cluster.deciding(tape)


@pytest.fixture
def cluster(kafka: str, providers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of its own, without workers yet."""
    with Cluster(kafka, tmp_path_factory.mktemp("cluster"), providers) as own:
        yield own


@pytest.fixture
async def tape(standing: Cluster) -> AsyncIterator[Tape]:
    """All that the standing cluster writes."""
    async with standing.tape() as reading:
        yield reading
    standing.show_logs()


@pytest.fixture
async def publisher(standing: Cluster) -> AsyncIterator[Publisher]:
    """Publishes commands to the standing cluster."""
    async with standing.publisher() as publishing:
        yield publishing
