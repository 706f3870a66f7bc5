"""Workers that a command started and left running: start, find, stop.

Each has a name of its own on its command line, a state file and a log below `ELEXIRION_HOME/workers`.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from elexirion.console.broker.home import Home
from elexirion.console.broker.state import ends_within
from pydantic import BaseModel, ConfigDict, ValidationError

STOP_WITHIN_S = 40.0
LOGS_KEPT = 5


class BackgroundWorker(BaseModel):
    """A worker process: where it works and where it logs."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    bootstrap: str
    topic_prefix: str
    log: Path

    @property
    def alive(self) -> bool:
        """Whether its process lives; a later process with the same id does not bear its name."""
        try:
            process = psutil.Process(self.pid)
            words = process.cmdline()
            # For a moment after its start a process has no command line yet.
            return process.status() != psutil.STATUS_ZOMBIE and (not words or self.name in words)
        except psutil.Error:
            return False

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-count:]) or "(nothing)"


@contextmanager
def one_at_a_time(home: Home) -> Iterator[None]:
    """Held while somebody looks for a worker and starts one, so that two commands do not start two."""
    home.workers.mkdir(parents=True, exist_ok=True)
    with (home.workers / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find_workers(home: Home) -> list[BackgroundWorker]:
    """The living background workers of the home; state files of dead ones are removed."""
    return [worker for path in sorted(home.workers.glob("*.json")) if (worker := _living(path))]


def start_worker(home: Home, bootstrap: str, topic_prefix: str) -> BackgroundWorker:
    """Start one that serves every lane; it outlives this process, and Ctrl-C does not reach it."""
    home.workers.mkdir(parents=True, exist_ok=True)
    _remove_old_logs(home)
    name = f"worker-{uuid.uuid4().hex[:8]}"
    log = home.workers / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "elexirion.console.main", "worker", "--name", name],
            env={**os.environ, "ELEXIRION_KAFKA": bootstrap, "ELEXIRION_TRUST_RUN_FOLDERS": "true"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    worker = BackgroundWorker(
        name=name, pid=process.pid, bootstrap=bootstrap, topic_prefix=topic_prefix, log=log
    )  # fmt: skip
    (home.workers / f"{name}.json").write_text(worker.model_dump_json(), "utf-8")
    _started.append(process)
    return worker


# Kept so that the interpreter reaps a worker that ends while this process lives.
_started: list[subprocess.Popen[bytes]] = []


def stop_workers(home: Home) -> list[BackgroundWorker]:
    """End every background worker of the home and wait for their ends; those that were running."""
    workers = find_workers(home)
    for worker in workers:
        with suppress(psutil.Error):
            psutil.Process(worker.pid).terminate()
    for worker in workers:
        if not ends_within(worker.pid, STOP_WITHIN_S):
            with suppress(psutil.Error):
                psutil.Process(worker.pid).kill()
            ends_within(worker.pid, STOP_WITHIN_S)
        (home.workers / f"{worker.name}.json").unlink(missing_ok=True)
    return workers


def _living(path: Path) -> BackgroundWorker | None:
    try:
        worker = BackgroundWorker.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    if not worker.alive:
        path.unlink(missing_ok=True)
        return None
    return worker


def _remove_old_logs(home: Home) -> None:
    logs = sorted(home.workers.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    kept = {worker.log for worker in find_workers(home)}
    for log in logs[LOGS_KEPT:]:
        if log not in kept:
            log.unlink(missing_ok=True)
