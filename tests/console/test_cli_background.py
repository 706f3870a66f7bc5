"""What `run` brings up by itself: once, said to its user, and ended by one command."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

from elexirion.console.background_worker import find_workers
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import status
from elexirion.console.broker.state import Running

from tests.kafka_broker import free_port
from tests.serving import ONE_STEP, CommandLine


def test_two_runs_at_once_without_a_worker_start_one(kafka: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path)
    prefix = f"once-{uuid.uuid4().hex[:8]}."
    line = CommandLine(
        tmp_path, {"ELEXIRION_KAFKA": kafka, "ELEXIRION_TOPIC_PREFIX": prefix, "ELEXIRION_HOME": str(home.root)}
    )
    file = line.file("one.yaml", ONE_STEP)
    try:
        both = [line.begin("run", file, "--json") for _ in range(2)]
        said = [process.communicate(timeout=90)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        assert sum(text.count("Worker started in the background") for text in said) == 1
        assert len(find_workers(home)) == 1
    finally:
        stopped = line("worker", "--stop")
    assert stopped.returncode == 0
    assert stopped.stdout.startswith("Stopped worker ")
    assert find_workers(home) == []


def test_a_run_brings_up_broker_and_worker_and_broker_stop_ends_both(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path)
    line = CommandLine(tmp_path, {"ELEXIRION_HOME": str(home.root), "ELEXIRION_BROKER_PORT": str(free_port())})
    try:
        called = line("run", line.file("one.yaml", ONE_STEP), timeout_s=120)
        assert called.returncode == 0, called.stdout + called.stderr
        assert "Kafka started at 127.0.0.1:" in called.stderr
        assert "Worker started in the background" in called.stderr
        assert "elexirion broker stop" in called.stderr
        assert isinstance(status(home), Running)
        assert len(find_workers(home)) == 1
    finally:
        stopped = line("broker", "stop", timeout_s=120)
    assert stopped.returncode == 0, stopped.stderr
    assert not isinstance(status(home), Running)
    assert find_workers(home) == []


def test_validate_loads_no_kafka_client(tmp_path: Path) -> None:
    line = CommandLine(tmp_path, {})
    code = (
        "import sys; from elexirion.console.main import main\n"
        "try: main()\n"
        "finally: print('LOADED', sorted({'aiokafka', 'faust', 'httpx'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "validate", str(line.file("one.yaml", ONE_STEP))],
        cwd=tmp_path, env=line.environment, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
