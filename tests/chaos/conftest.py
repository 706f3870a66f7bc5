"""The broker, the stub and the clusters of the end-to-end tests, for processes that are killed on purpose."""

from collections.abc import Iterator

import pytest

from tests.chaos.broker import OwnBroker, own_broker
from tests.e2e.conftest import cluster, providers
from tests.stub.fixtures import stub, stub_process

__all__ = ["cluster", "providers", "stub", "stub_process"]


@pytest.fixture(scope="session")
def broker() -> Iterator[OwnBroker]:
    """A Kafka that nobody else uses."""
    with own_broker() as own:
        yield own
