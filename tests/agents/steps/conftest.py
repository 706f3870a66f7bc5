"""The stub server, as tests of step types use it."""

from tests.stub.fixtures import stub, stub_process

__all__ = ["stub", "stub_process"]
