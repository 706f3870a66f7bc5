"""One life of the broker's process: format its folder once, launch it, wait until it answers or dies."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from elexirion.console.broker.answering import answers
from elexirion.console.broker.configuration import Ports, java_command, server_properties
from elexirion.console.broker.distribution import ensure_jars, java
from elexirion.console.broker.errors import BrokerError, StartFailedError
from elexirion.console.broker.home import Home
from elexirion.console.broker.ports import port_busy
from elexirion.console.broker.progress import Doing, OnProgress
from elexirion.console.broker.room import disk_full
from elexirion.console.broker.settings import BrokerSettings
from elexirion.console.broker.state import Recorded, Running, bootstrap_of, ends_within, why_not_ours, write_state

_LINES_SHOWN = 15
_PROBE_S = 2.0
_BETWEEN_PROBES_S = 0.1

# Variables that would add flags of someone else's to our Java call.
_FOREIGN = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")

# Kept so that the interpreter reaps a broker that ends while this process lives.
_launched: Final[list[subprocess.Popen[bytes]]] = []


@dataclass(frozen=True, slots=True)
class Kafka:
    """The Java call up to the main class."""

    command: tuple[str, ...]


def prepare(home: Home, settings: BrokerSettings, on_progress: OnProgress) -> Kafka:
    """Java and all jars, fetched where they are not here yet and checked."""
    launcher = java()
    return Kafka(java_command(launcher, ensure_jars(home.jars, on_progress), settings.heap))


def launch(home: Home, kafka: Kafka, ports: Ports, settings: BrokerSettings, on_progress: OnProgress) -> Running:
    """Start the broker on `ports` and wait until it answers."""
    if not home.broker_data.exists():
        on_progress(Doing("Formatting the broker's storage (once)"))
        _format(home, kafka, ports)
    home.broker_properties.write_text(server_properties(ports, home.broker_data), "utf-8")
    on_progress(Doing(f"Starting Kafka on {bootstrap_of(ports.clients)}"))
    pid = _spawn(home, kafka)
    write_state(home, Recorded(port=ports.clients, pid=pid))
    until_it_answers(home, pid, ports.clients, settings)
    return Running(bootstrap_of(ports.clients), pid, ports.clients)


def until_it_answers(home: Home, pid: int, port: int, settings: BrokerSettings) -> None:
    """Return when the broker answers; raise when it has died or the time is over."""
    deadline = time.monotonic() + settings.start_timeout_s
    while not answers(bootstrap_of(port), timeout_s=_PROBE_S):
        if ends_within(pid, _BETWEEN_PROBES_S):
            write_state(home, Recorded(port=port))
            raise _death(home, port)
        if time.monotonic() > deadline:
            raise StartFailedError(
                f"The broker (process {pid}) has not answered on {bootstrap_of(port)} within "
                f"{settings.start_timeout_s:g} s. Its log ends with:\n{_tail(home.broker_log)}",
                f"Run `elexirion broker stop` and start again; the whole log is {home.broker_log}. A slow "
                "machine may need a larger ELEXIRION_BROKER_START_TIMEOUT_S.",
            )
    if reason := why_not_ours(pid, home):
        raise StartFailedError(
            f"Something answers on {bootstrap_of(port)}, but it is not our broker ({reason}).",
            f"End that program or choose another port; our broker's log is {home.broker_log}.",
        )


def _format(home: Home, kafka: Kafka, ports: Ports) -> None:
    # Elsewhere first: an interrupted format must not pass for a formatted folder at the next start.
    fresh = home.broker / "formatting"
    shutil.rmtree(fresh, ignore_errors=True)
    home.broker_properties.write_text(server_properties(ports, fresh), "utf-8")
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # With an equals sign: one id in 64 begins with a dash, which would be read as an option.
    tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config")
    done = subprocess.run(
        [*kafka.command, *tool, str(home.broker_properties)],
        cwd=home.broker,
        env=_environment(),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise _failure(home, "formatting the broker's storage failed", done.stdout + done.stderr)
    fresh.rename(home.broker_data)


def _spawn(home: Home, kafka: Kafka) -> int:
    if home.broker_log.exists():
        home.broker_log.replace(home.broker_log.with_suffix(".log.1"))
    with home.broker_log.open("wb") as log:
        process = subprocess.Popen(
            [*kafka.command, "kafka.Kafka", str(home.broker_properties)],
            cwd=home.broker,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _launched.append(process)
    return process.pid


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


def _death(home: Home, port: int) -> BrokerError:
    log = home.broker_log.read_text("utf-8", "replace") if home.broker_log.exists() else ""
    if "Address already in use" in log:
        return port_busy(port)
    return _failure(home, "the broker ended while it was starting", log)


def _failure(home: Home, what: str, output: str) -> BrokerError:
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return disk_full(home.broker)
    lines = "\n".join(output.splitlines()[-_LINES_SHOWN:]) or "(nothing)"
    return StartFailedError(
        f"In {home.root}, {what}. The last that it printed:\n{lines}",
        f"The whole log is {home.broker_log}. If the data is damaged and may go: `elexirion broker wipe`. "
        "A broker of your own is used instead with ELEXIRION_KAFKA.",
    )


def _tail(log: Path) -> str:
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-_LINES_SHOWN:]) or "(nothing)"
