"""The embedded broker as a whole: real processes, a real Kafka, a home of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from elexirion.console.broker.choose import Embedded, find_broker, find_running_broker
from elexirion.console.broker.errors import StillRunningError
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import Stopped, start, status, stop, wipe
from elexirion.console.broker.progress import Note, Progress
from elexirion.console.broker.settings import BrokerSettings
from elexirion.console.broker.state import NotRunning, Running, Silent, StalePid, ends_within

from tests.kafka_broker import embedded_kafka, free_port, temporary_home

CLI = [sys.executable, "-m", "elexirion.console.broker"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    place = temporary_home(tmp_path / "home")
    yield place
    stop(place)


def test_records_outlive_a_restart_at_the_same_port(home: Home) -> None:
    first = start(home, port=free_port())
    assert first.started
    assert status(home) == Running(first.bootstrap, first.pid, first.port)
    asyncio.run(_create_and_write(first.bootstrap, b"kept"))

    assert stop(home) == Stopped(first.pid, forced=False)
    assert ends_within(first.pid, 0)
    assert status(home) == NotRunning(first.port)

    found = find_broker(None, home)
    assert isinstance(found, Embedded)
    assert found.started
    assert found.bootstrap == first.bootstrap
    assert find_running_broker(None, home) == Embedded(found.bootstrap, found.pid, started=False)
    assert start(home) == Running(found.bootstrap, found.pid, first.port, started=False)
    assert asyncio.run(_read_first(found.bootstrap)) == b"kept"


def test_two_starts_at_once_give_one_broker_that_outlives_both(home: Home) -> None:
    environment = os.environ | {"ELEXIRION_HOME": str(home.root), "ELEXIRION_CACHE": str(home.cache)}
    call = [*CLI, "start", "--port", str(free_port()), "--json"]
    both = [subprocess.Popen(call, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sorted(answer["started"] for answer in answers) == [False, True]
    assert answers[0]["pid"] == answers[1]["pid"]
    assert isinstance(status(home), Running)
    assert os.getsid(answers[0]["pid"]) == answers[0]["pid"], "Ctrl-C at a terminal must not reach the broker"


def test_a_killed_broker_is_noticed_and_replaced(home: Home) -> None:
    killed = start(home, port=free_port())
    psutil.Process(killed.pid).kill()
    psutil.Process(killed.pid).wait(10)
    assert status(home) == StalePid(killed.pid, killed.port, "it has ended")

    told: list[Progress] = []
    replacement = start(home, on_progress=told.append)

    assert replacement.started
    assert replacement.port == killed.port
    assert f"The broker (process {killed.pid}) is gone: it has ended. Starting anew." in _notes(told)


def test_wipe_is_refused_while_the_broker_runs_and_removes_everything_afterwards(home: Home) -> None:
    running = start(home, port=free_port())
    with pytest.raises(StillRunningError, match="elexirion broker stop"):
        wipe(home)
    assert status(home) == Running(running.bootstrap, running.pid, running.port)

    stop(home)
    wipe(home)
    assert status(home) == NotRunning(None)
    assert not home.broker.exists()


def test_a_stuck_broker_is_reported_as_silent_and_killed_by_stop(home: Home) -> None:
    running = start(home, port=free_port())
    os.kill(running.pid, signal.SIGSTOP)  # it answers nothing now, and SIGTERM stays pending
    assert status(home) == Silent(running.pid, running.port)

    assert stop(home, settings=BrokerSettings(stop_timeout_s=0.5)) == Stopped(running.pid, forced=True)
    assert ends_within(running.pid, 0)


def test_the_tests_broker_ends_with_a_killed_test_session() -> None:
    program = (
        "import sys, tests.kafka_broker as k\nwith k.embedded_kafka() as b: print(b, flush=True); sys.stdin.read()"
    )
    session = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert session.stdout is not None
    assert session.stdin is not None
    with closing(session.stdout), closing(session.stdin):
        port = int(session.stdout.readline().decode().rpartition(":")[2])
        broker = _listener(port)
        session.kill()
        session.wait(10)
        assert ends_within(broker.pid, 30)


def test_the_tests_broker_answers_and_leaves_nothing_behind() -> None:
    with embedded_kafka() as bootstrap:
        broker = _listener(int(bootstrap.rpartition(":")[2]))
        folder = Path(broker.cwd()).parent
        asyncio.run(_create_and_write(bootstrap, b"x"))
    assert ends_within(broker.pid, 0), "stopped when the block ends"
    assert not folder.exists()


def _listener(port: int) -> psutil.Process:
    pids = {c.pid for c in psutil.net_connections("tcp") if tuple(c.laddr)[1:] == (port,) and c.status == "LISTEN"}
    (pid,) = pids
    assert pid is not None
    return psutil.Process(pid)


def _notes(told: list[Progress]) -> list[str]:
    return [progress.text for progress in told if isinstance(progress, Note)]


async def _create_and_write(bootstrap: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("t", num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        await producer.send_and_wait("t", value)


async def _read_first(bootstrap: str) -> bytes:
    async with AIOKafkaConsumer("t", bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        record = await asyncio.wait_for(consumer.getone(), 20)
    assert isinstance(record.value, bytes)
    return record.value
