"""Everything a run needs: a broker, the topics, a worker that lives, and the keys of its providers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.topic_admin import ensure_topics
from elexirion.agents.providers.registry import missing_key
from elexirion.agents.settings import Settings
from elexirion.console.background_worker import BackgroundWorker, find_workers, one_at_a_time, start_worker
from elexirion.console.broker import lifecycle
from elexirion.console.broker.choose import Choice, Embedded, find_broker
from elexirion.console.broker.home import Home
from elexirion.console.broker.state import Running
from elexirion.console.exits import UNREACHABLE, CommandProblem, note
from elexirion.console.live_fleet import LiveFleet
from elexirion.console.progress_notes import progress_on_stderr
from elexirion.events.topics import Topics

WORKER_READY_WITHIN_S = 30.0
FOREIGN_CLOCKS_S = 1.5


def make_ready(settings: Settings, lanes: frozenset[str], *, offline: bool) -> str:
    """The bootstrap address of a Kafka that is served; starts broker and worker where there is none.

    Raises CommandProblem where a key is missing, BrokerError, KafkaProblem.
    """
    home = Home.from_environment()
    if not settings.kafka and not isinstance(lifecycle.status(home), Running):
        _require_own_keys(settings, () if offline else lanes)  # before anything is started
    with progress_on_stderr() as tell:
        choice = find_broker(settings.kafka, home, on_progress=tell)
    if isinstance(choice, Embedded) and choice.started:
        note(f"Kafka started at {choice.bootstrap}; it stays up until: elexirion broker stop")
    asyncio.run(_serve(settings, choice, home, lanes, offline))
    return choice.bootstrap


async def _serve(settings: Settings, choice: Choice, home: Home, lanes: frozenset[str], offline: bool) -> None:
    address, topics = KafkaAddress(choice.bootstrap, "elexirion-cli"), Topics(settings.topic_prefix)
    await ensure_topics(address, settings)
    # Blocking on the lock is fine: this process does nothing else.
    with one_at_a_time(home):
        async with LiveFleet(address, topics) as fleet:
            ours = _worker_of(home, choice.bootstrap, settings.topic_prefix)
            if not fleet.serves(lanes) and ours is None and not isinstance(choice, Embedded):
                await _listen(fleet, lanes)
            if not offline:
                _require_keys(fleet, settings, lanes)
            if not fleet.serves(lanes):
                await _until_served(fleet, lanes, ours or _start(settings, choice, home))


async def _listen(fleet: LiveFleet, lanes: frozenset[str]) -> None:
    """Workers on machines whose clocks differ: their next heartbeat tells of them."""
    deadline = time.monotonic() + FOREIGN_CLOCKS_S
    while time.monotonic() < deadline and not fleet.serves(lanes):
        await fleet.listen(0.25)


def _worker_of(home: Home, bootstrap: str, prefix: str) -> BackgroundWorker | None:
    found = (worker for worker in find_workers(home) if (worker.bootstrap, worker.topic_prefix) == (bootstrap, prefix))
    return next(found, None)


def _start(settings: Settings, choice: Choice, home: Home) -> BackgroundWorker:
    worker = start_worker(home, choice.bootstrap, settings.topic_prefix)
    stop = "elexirion broker stop" if isinstance(choice, Embedded) else "elexirion worker --stop"
    note(f"Worker started in the background (process {worker.pid}, log {worker.log}); it stays until: {stop}")
    return worker


async def _until_served(fleet: LiveFleet, lanes: frozenset[str], worker: BackgroundWorker) -> None:
    deadline = time.monotonic() + WORKER_READY_WITHIN_S
    while not fleet.serves(lanes):
        if not worker.alive:
            raise _not_serving(worker, "The worker ended while it was starting.")
        if time.monotonic() > deadline:
            raise _not_serving(worker, f"The worker is not ready after {WORKER_READY_WITHIN_S:g} s.")
        await fleet.listen(0.25)


def _not_serving(worker: BackgroundWorker, what: str) -> CommandProblem:
    return CommandProblem(
        "worker_not_ready",
        f"{what} Its log ends with:\n{worker.last_lines()}",
        f"The whole log is {worker.log}. In the foreground: elexirion worker",
        UNREACHABLE,
    )


def _require_own_keys(settings: Settings, lanes: Iterable[str]) -> None:
    missing = {lane: variable for lane in sorted(lanes) if (variable := missing_key(lane, settings))}
    if missing:
        raise _no_key(missing, "Set the variable")


def _require_keys(fleet: LiveFleet, settings: Settings, lanes: frozenset[str]) -> None:
    """A living worker has the keys it was started with; one that we start has ours."""
    unserved = frozenset(lane for lane in lanes if not fleet.offers(lane))
    _require_own_keys(settings, unserved)
    keyless = [lane for lane in sorted(lanes - unserved) if all(o.provider != "ready" for o in fleet.offers(lane))]
    missing = {lane: missing_key(lane, Settings.model_construct()) or "its key" for lane in keyless}
    if missing:
        raise _no_key(
            missing,
            "The worker that runs was started without it: end it (elexirion worker --stop), set the variable",
        )


def _no_key(missing: dict[str, str], what: str) -> CommandProblem:
    said = ", ".join(f"{lane} steps need {variable}" for lane, variable in missing.items())
    return CommandProblem(
        "no_key",
        f"{said}, and it is not set. The run was not started.",
        f"{what} and run again, or add --offline for answers without a network.",
        more={"variables": sorted(missing.values())},
    )
