"""The cluster and the stub of the end-to-end tests."""

from tests.e2e.conftest import cluster, providers
from tests.stub.fixtures import stub, stub_process

__all__ = ["cluster", "providers", "stub", "stub_process"]
