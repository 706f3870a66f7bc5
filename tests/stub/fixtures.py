"""Fixtures for tests that need the stub: one process per session, without rules at the start of each test."""

from collections.abc import Iterator

import pytest

from tests.stub.client import StubServer


@pytest.fixture(scope="session")
def stub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    with StubServer(tmp_path_factory.mktemp("stub") / "ledger.jsonl") as server:
        yield server


@pytest.fixture
def stub(stub_process: StubServer) -> StubServer:
    stub_process.reset()
    return stub_process
