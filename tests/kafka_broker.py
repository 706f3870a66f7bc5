"""A real Kafka for tests, the same tests on each kind: `from tests.kafka_broker import kafka` in a conftest.

`ELEXIRION_KAFKA` if set, else a container where a Docker engine answers, else the embedded broker in a
temporary home. Nothing is skipped: where no Kafka can be had, the tests that ask for one fail.

The embedded broker is a process of its own, so a test session that is killed would leave it behind. A guard
process therefore holds one end of a pipe: when the session closes the other end, or dies, it stops the
broker and removes the home.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from elexirion.console.broker.answering import answers
from elexirion.console.broker.configuration import HOST, LIMITS
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import start, stop

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of a Kafka that lives as long as the test session."""
    if configured := os.environ.get("ELEXIRION_KAFKA"):
        assert answers(configured, timeout_s=10), f"no Kafka answers at ELEXIRION_KAFKA={configured}"
        yield configured
    elif _docker_answers():
        with _container() as bootstrap:
            yield bootstrap
    else:
        with embedded_kafka() as bootstrap:
            yield bootstrap


@contextmanager
def embedded_kafka() -> Iterator[str]:
    """An embedded broker in a temporary home that ends with this process, however that ends."""
    with embedded_home() as home:
        yield start(home, port=free_port()).bootstrap


@contextmanager
def embedded_home() -> Iterator[Home]:
    """A temporary home whose broker, once started, ends with this process, however that ends."""
    root = Path(tempfile.mkdtemp(prefix="elexirion-kafka-"))
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.kafka_broker", str(root)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C at the tests must not end the guard before its work
        cwd=_ROOT,
    )
    try:
        yield temporary_home(root)
    finally:
        assert guard.stdin is not None
        guard.stdin.close()
        assert guard.wait(60) == 0, f"the broker in {root} was not stopped"


def temporary_home(root: Path) -> Home:
    """A home of its own that shares the machine's cache, so that the jars are fetched once."""
    return Home(root, Home.from_environment().cache)


def free_port() -> int:
    """A port that nobody listens on: not the preferred one, which a developer's own broker may want."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _docker_answers() -> bool:
    import docker  # here: most runs need no container, and the guard should stand at once
    from docker.errors import DockerException

    try:
        with closing(docker.from_env()) as engine:
            return bool(engine.ping())
    except DockerException:
        return False


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer().with_kraft()
    for key, value in LIMITS.items():
        container.with_env(f"KAFKA_{key.upper().replace('.', '_')}", value)
    with container:
        yield container.get_bootstrap_server()


def _guard(root: Path) -> None:
    sys.stdin.buffer.read()
    stop(temporary_home(root))
    shutil.rmtree(root)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
