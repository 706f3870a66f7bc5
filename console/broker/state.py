"""What is known about a home's broker: its state file, and whether the process it names is the broker."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from elexirion.console.broker.configuration import HOST
from elexirion.console.broker.errors import HomeUnusableError
from elexirion.console.broker.home import Home
from pydantic import BaseModel, ConfigDict, ValidationError

_LOOK_AGAIN_S = 0.05


class Recorded(BaseModel):
    """The state file: the port is kept when the broker stops, so that it comes back at the same address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """The broker's process lives and answers. `started` says whether this call started it."""

    bootstrap: str
    pid: int
    port: int
    started: bool = False


@dataclass(frozen=True, slots=True)
class Silent:
    """The broker's process lives but does not answer: it is starting, ending or stuck."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class NotRunning:
    """No broker was started, or it was stopped. `port` is where it was the last time."""

    port: int | None


@dataclass(frozen=True, slots=True)
class StalePid:
    """The state file names a process that is not the broker: it died, or the system gave its id away."""

    pid: int
    port: int
    reason: str


Status = Running | Silent | NotRunning | StalePid


def bootstrap_of(port: int) -> str:
    """The address that Kafka clients take."""
    return f"{HOST}:{port}"


def read_state(home: Home) -> Recorded | None:
    """The state file, or None where there was no broker yet."""
    try:
        return Recorded.model_validate_json(home.broker_state.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as unreadable:
        raise HomeUnusableError(
            f"The broker's state file {home.broker_state} cannot be read: {unreadable}",
            "Remove that file; if a broker of this home still runs, end its Java process first.",
        ) from unreadable


def write_state(home: Home, state: Recorded) -> None:
    """Replace the state file as a whole: a reader sees the old one or the new one."""
    draft = home.broker_state.with_suffix(f".{os.getpid()}")
    draft.write_text(state.model_dump_json(), "utf-8")
    draft.replace(home.broker_state)


def why_not_ours(pid: int, home: Home) -> str | None:
    """Why process `pid` is not the broker of `home`; None if it is.

    A broker's command line names its home's configuration. That tells it from a later process that was
    given the same id, also where the clock was changed in between (start times are no proof then).
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return "it has ended"
        words = process.cmdline()
        if not words or _marked(words, home.broker_properties):  # for a moment after its start there are none
            return None
        return f"its process id now belongs to {process.name()}"
    except psutil.NoSuchProcess:
        return "it has ended"
    except psutil.AccessDenied:
        return "its process id now belongs to another user's process"


def ends_within(pid: int, seconds: float) -> bool:
    """Wait until process `pid` has ended, at most `seconds`; whether it has.

    A zombie has ended: its parent, perhaps a command that is still busy, has only not collected it yet.
    """
    deadline = time.monotonic() + seconds
    try:
        process = psutil.Process(pid)
        while True:
            with suppress(psutil.TimeoutExpired):
                process.wait(_LOOK_AGAIN_S)  # collects it, where it is a child of ours
                return True
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            if time.monotonic() > deadline:
                return False
    except psutil.NoSuchProcess:
        return True


def _marked(command: list[str], properties: Path) -> bool:
    return str(properties) in command
