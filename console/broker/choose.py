"""Which Kafka a command uses: the configured one, else the embedded one (started where it does not run)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elexirion.console.broker.answering import answers
from elexirion.console.broker.errors import BrokerUnreachableError
from elexirion.console.broker.home import Home
from elexirion.console.broker.lifecycle import start, status
from elexirion.console.broker.progress import OnProgress, silent
from elexirion.console.broker.settings import BrokerSettings
from elexirion.console.broker.state import Running

_REACH_S = 8.0
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Configured:
    """The user's own Kafka, named by `ELEXIRION_KAFKA`; it answers."""

    bootstrap: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embedded broker of the home; `started` when this call started it. It stays up afterwards."""

    bootstrap: str
    pid: int
    started: bool


Choice = Configured | Embedded


def find_broker(
    configured: str | None,
    home: Home,
    *,
    on_progress: OnProgress = silent,
    settings: BrokerSettings | None = None,
    client_options: Mapping[str, Any] = _NOTHING,
) -> Choice:
    """A Kafka that answers. Blocks: an async caller uses a thread.

    `configured` is the value of `ELEXIRION_KAFKA`; it is used or `BrokerUnreachableError` is raised within
    10 s, never replaced by the embedded broker. `client_options` are aiokafka's for that Kafka (TLS, SASL).
    """
    if configured:
        return _configured(configured, client_options)
    running = start(home, on_progress=on_progress, settings=settings)
    return Embedded(running.bootstrap, running.pid, running.started)


def find_running_broker(configured: str | None, home: Home, *, client_options: Mapping[str, Any] = _NOTHING) -> Choice:
    """As `find_broker`, for commands that only look: it starts nothing and raises where nothing runs."""
    if configured:
        return _configured(configured, client_options)
    match status(home):
        case Running() as running:
            return Embedded(running.bootstrap, running.pid, False)
        case _:
            raise BrokerUnreachableError(
                f"No broker runs for {home.root}, and ELEXIRION_KAFKA is not set.",
                "Run: elexirion broker start   or set ELEXIRION_KAFKA to host:port of a Kafka.",
            )


def _configured(bootstrap: str, client_options: Mapping[str, Any]) -> Configured:
    if not answers(bootstrap, timeout_s=_REACH_S, client_options=client_options):
        raise BrokerUnreachableError(
            f"No Kafka answers at {bootstrap} (from ELEXIRION_KAFKA).",
            "Check the address and that the broker runs; or unset ELEXIRION_KAFKA to use the embedded one.",
        )
    return Configured(bootstrap)
