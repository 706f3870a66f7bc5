"""A guard that buys progress, not safety: in a scenario made for it, it is missed where it is taken out."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

import pytest
import structlog
from elexirion.events.commands import StartRun

from tests.simulation import guards
from tests.simulation.conditions import Calm, Conditions, Landing
from tests.simulation.virtual_time import PROCESS, VirtualLoop, run_world
from tests.simulation.world import World, executions_named, quiet_deaths

READY_S = 4.0
WITHIN_S = 30.0
RUN = "directed"
ASK = {"name": "ask", "type": "claude", "prompt": "say it"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


class LosesTheFirstCommand(Calm):
    """Calm, but for the first command to a lane: its reader never gets it, as if it had died behind its commit."""

    def __init__(self) -> None:
        self._to_lose = 1

    def landing(self, topic: str) -> Landing:
        if self._to_lose and topic.endswith("steps.claude"):
            self._to_lose -= 1
            return Landing(written=False)
        return Landing()


@dataclass(frozen=True)
class Unheard(Calm):
    """Calm, but for heartbeats: those of the processes whose names begin so get lost, from one time to another."""

    names: tuple[str, ...]
    from_s: float
    until_s: float
    longer_s: float = 0.0
    """Those of lanes get lost for so much longer."""

    def landing(self, topic: str) -> Landing:
        process, now = PROCESS.get(), asyncio.get_running_loop().time()
        if process is None or not topic.endswith("workers") or not process.name.startswith(self.names):
            return Landing()
        until_s = self.until_s + (self.longer_s if process.name.startswith("w") else 0.0)
        return Landing(written=False, answered=False) if self.from_s <= now < until_s else Landing()


@dataclass(frozen=True)
class Ended:
    """How the one run of a world ended, if it did, how long it took, and what was done for it."""

    end: str | None
    took_s: float
    scheduled: int
    calls: int


def lived(conditions: Conditions, *, asked_at_s: float = READY_S, call_s: float = 0.5, **settings: float) -> Ended:
    """A calm world, but for these conditions, in which one run is asked for."""
    loop = VirtualLoop()
    with quiet_deaths(), mock.patch("time.monotonic", loop.time):
        world = World(1, loop, **settings)
        world.broker.conditions, world.ledger.troubles = conditions, 0.0
        world.ledger.quickest_s = world.ledger.slowest_s = call_s
        run_world(loop, _live(world, asked_at_s))
        (end,) = world.ends().values() or (None,)
        named = executions_named(world.written(world.topics.events))
        ended = Ended(end, loop.time() - asked_at_s, len(named), len(world.ledger.calls))
        del world
        gc.collect()
    return ended


async def _live(world: World, asked_at_s: float) -> None:
    for machine in world.machines:
        machine.start()
    await asyncio.sleep(asked_at_s)
    world.users.ask(RUN, StartRun(pipeline={"name": RUN, "steps": [ASK]}))
    while not world.ends() and world.loop.time() < asked_at_s + WITHIN_S:  # noqa: ASYNC110  # a log sets no event
        await asyncio.sleep(0.1)


def test_a_command_that_got_lost_is_sent_again_since_no_heartbeat_lists_it() -> None:
    assert lived(LosesTheFirstCommand()).end == "RunCompleted"
    with guards.reconciliation():
        assert lived(LosesTheFirstCommand()).end is None


def test_nobody_is_given_up_for_a_time_in_which_nobody_could_be_heard() -> None:
    for_two_leases = Unheard(("o", "w"), from_s=6.0, until_s=12.0, longer_s=0.6)
    ended = lived(for_two_leases, call_s=12.0)
    assert (ended.end, ended.scheduled, ended.calls) == ("RunCompleted", 1, 1)
    with guards.lease_suspension():
        ended = lived(for_two_leases, call_s=12.0)
        assert ended.scheduled > 1
        assert ended.calls > 1


def test_what_a_worker_may_not_start_goes_to_another_one_at_once() -> None:
    unheard = Unheard(("w0",), from_s=4.0, until_s=9.0)
    ended = lived(unheard, asked_at_s=7.0, lease_s=10.0, lease_margin_s=8.0)
    assert (ended.end, ended.scheduled, ended.calls) == ("RunCompleted", 2, 1)
    assert ended.took_s < 2.0
    with guards.decline():
        assert lived(unheard, asked_at_s=7.0, lease_s=10.0, lease_margin_s=8.0).end is None
