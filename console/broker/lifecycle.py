"""Start, stop and look at the embedded broker of a home.

The broker is a process of its own: it outlives the command that started it, and Ctrl-C does not reach it.
Whoever starts, stops or wipes holds the home's lock meanwhile, so of two starts at once the second finds
the broker of the first.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import assert_never

import psutil
from elexirion.console.broker import launch
from elexirion.console.broker.answering import answers
from elexirion.console.broker.configuration import Listener
from elexirion.console.broker.errors import PortBusyError, StillRunningError
from elexirion.console.broker.home import Home
from elexirion.console.broker.ports import choose_ports
from elexirion.console.broker.progress import Doing, Note, OnProgress, silent
from elexirion.console.broker.room import explained, require_room
from elexirion.console.broker.settings import BrokerSettings
from elexirion.console.broker.state import (
    NotRunning,
    Recorded,
    Running,
    Silent,
    StalePid,
    Status,
    bootstrap_of,
    ends_within,
    read_state,
    why_not_ours,
    write_state,
)

_ANSWER_S = 3.0
_STARTS = 3  # a chosen port can be taken before Kafka binds it


@dataclass(frozen=True, slots=True)
class Stopped:
    """The broker has ended; `forced` when it had to be killed (its files are then checked at the next start)."""

    pid: int
    forced: bool


def status(home: Home) -> Status:
    """How the broker of `home` is, without changing anything."""
    state = read_state(home)
    if state is None or state.pid is None:
        return NotRunning(state.port if state else None)
    if reason := why_not_ours(state.pid, home):
        return StalePid(state.pid, state.port, reason)
    bootstrap = bootstrap_of(state.port)
    if answers(bootstrap, timeout_s=_ANSWER_S):
        return Running(bootstrap, state.pid, state.port)
    return Silent(state.pid, state.port)


def start(
    home: Home,
    *,
    port: int | None = None,
    on_progress: OnProgress = silent,
    settings: BrokerSettings | None = None,
    further: tuple[Listener, ...] = (),
) -> Running:
    """The running broker of `home`, started if there is none; returns when it answers.

    `port` (or else the setting) is taken or refused, never replaced; one that is started listens at `further` places
    as well. The first start fetches the jars.
    Blocks for seconds: an async caller uses a thread. Raises `BrokerError`.
    """
    chosen = settings or BrokerSettings()
    asked = port if port is not None else chosen.port
    with explained(home), _locked(home, on_progress):
        match status(home):
            case Running() as running:
                _mention_other_port(running, asked, on_progress)
                return running
            case Silent() as begun:
                on_progress(Doing(f"Waiting for the broker that process {begun.pid} is starting"))
                launch.until_it_answers(home, begun.pid, begun.port, chosen)
                return Running(bootstrap_of(begun.port), begun.pid, begun.port)
            case StalePid() as stale:
                on_progress(Note(f"The broker (process {stale.pid}) is gone: {stale.reason}. Starting anew."))
                return _start_new(home, asked, stale.port, chosen, on_progress, further)
            case NotRunning() as before:
                return _start_new(home, asked, before.port, chosen, on_progress, further)
            case other:
                assert_never(other)


def stop(home: Home, *, settings: BrokerSettings | None = None) -> Stopped | NotRunning:
    """End the broker of `home` and wait for its end; the data stays."""
    chosen = settings or BrokerSettings()
    if not home.root.exists():
        return NotRunning(None)
    with explained(home), _locked(home, silent):
        match status(home):
            case Running(pid=pid, port=port) | Silent(pid=pid, port=port):
                forced = _end(pid, chosen.stop_timeout_s)
                write_state(home, Recorded(port=port))
                return Stopped(pid, forced)
            case StalePid(port=port):
                write_state(home, Recorded(port=port))
                return NotRunning(port)
            case NotRunning() as before:
                return before
            case other:
                assert_never(other)


def wipe(home: Home) -> None:
    """Remove every record, the configuration and the log of the broker of `home`. Refused while it runs."""
    if not home.root.exists():
        return
    with explained(home), _locked(home, silent):
        match status(home):
            case Running(pid=pid) | Silent(pid=pid):
                raise StillRunningError(
                    f"The broker of {home.root} runs (process {pid}), so its data stays.",
                    "Run: elexirion broker stop   and wipe again.",
                )
            case StalePid() | NotRunning():
                if home.broker.exists():
                    shutil.rmtree(home.broker)
            case other:
                assert_never(other)


def _start_new(
    home: Home,
    asked: int | None,
    last: int | None,
    settings: BrokerSettings,
    on_progress: OnProgress,
    further: tuple[Listener, ...],
) -> Running:
    home.broker.mkdir(parents=True, exist_ok=True)
    require_room(home, settings.min_free_mb)
    kafka = launch.prepare(home, settings, on_progress)
    for left in reversed(range(_STARTS)):
        ports = replace(choose_ports(asked, last, on_progress), further=further)
        try:
            launched = launch.launch(home, kafka, ports, settings, on_progress)
        except PortBusyError:
            if not left:
                raise
        else:
            return replace(launched, started=True)
    raise AssertionError("unreachable: the last start returns or raises")


def _mention_other_port(running: Running, asked: int | None, on_progress: OnProgress) -> None:
    if asked not in (None, running.port):
        on_progress(
            Note(
                f"The broker already runs on port {running.port}, not {asked}: it stays there until "
                "`elexirion broker stop`."
            )
        )


def _end(pid: int, patience_s: float) -> bool:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).terminate()
        if ends_within(pid, patience_s):
            return False
        psutil.Process(pid).kill()
        if not ends_within(pid, patience_s):
            raise StillRunningError(
                f"The broker (process {pid}) does not end, even when killed.",
                "It probably waits for a disk that does not answer; see the system's log.",
            )
        return True
    return False


@contextmanager
def _locked(home: Home, on_progress: OnProgress) -> Iterator[None]:
    home.root.mkdir(parents=True, exist_ok=True)
    with home.broker_lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_progress(Doing("Another process is starting or stopping the broker: waiting for it"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
