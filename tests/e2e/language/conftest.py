"""One standing cluster for all tests of the language: two workers with everything that an operator may enable."""

import asyncio
import json
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from elexirion.agents.settings import Settings
from elexirion.client import Client

from tests.e2e.cluster import Cluster
from tests.e2e.conftest import PATIENT
from tests.e2e.language.runner import Runner
from tests.e2e.language.web import Web
from tests.serving import ROOT
from tests.stub.client import StubServer

PRICES = """\
models:
  a-dear-model: [{from: 2020-01-01, input: 1000000.0, output: 2000000.0}]
"""


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    """A server on this machine that the workers may ask."""
    with Web() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def unscripted(stub_process: StubServer) -> None:
    """Each file begins with providers that answer by themselves, whatever a file before it told them."""
    stub_process.reset()


@pytest.fixture(scope="session")
def language(
    kafka: str, providers: dict[str, str], stub_process: StubServer, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two workers with all roles."""
    folder = tmp_path_factory.mktemp("language")
    prices = folder / "prices.yaml"
    prices.write_text(textwrap.dedent(PRICES))
    settings = {
        "ELEXIRION_OPENAI_BASE_URL": f"{stub_process.url}/v1",
        "ELEXIRION_MODEL_ALIASES": json.dumps({"openai": "a-local-model"}),
        "ELEXIRION_TRUST_RUN_FOLDERS": "true",
        "ELEXIRION_FUNCTIONS": "tests.agents.callables:look_up,tests.agents.callables:weather",
        "ELEXIRION_HTTP_ALLOWED_HOSTS": json.dumps([web.host]),
        "ELEXIRION_PRICES_FILE": str(prices),
        "ELEXIRION_CLAUDE_SLOTS": "64",
        "PYTHONPATH": str(ROOT),
    }
    with Cluster(kafka, folder, {**providers, **settings, **PATIENT}) as cluster:
        asyncio.run(_two_workers(cluster))
        yield cluster


async def _two_workers(cluster: Cluster) -> None:
    async with cluster.tape() as tape:
        await cluster.ready(tape, cluster.start("language-a"), cluster.start("language-b"))
        await cluster.deciding(tape)


@pytest.fixture
async def runs(language: Cluster, tmp_path: Path) -> AsyncIterator[Runner]:
    """Runs pipelines in a folder of their own."""
    async with client_of(language) as client:
        yield Runner(client, tmp_path)


def client_of(cluster: Cluster) -> Client:
    """A client of that cluster, with no setting of this machine."""
    settings = Settings(kafka=cluster.bootstrap, topic_prefix=cluster.topics.prefix, _env_file=None)
    return Client(settings=settings)
