"""The nemesis: from one seed, a sequence of misfortunes; afterwards it heals all it did."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos.broker import OwnBroker
from tests.chaos.proxy import Proxy
from tests.e2e.cluster import Cluster, WorkerProcess

KILL, FREEZE, BROKER_KILL, BROKER_FREEZE = "kill", "freeze", "broker-kill", "broker-freeze"
DELAY, BLACK_HOLE, CUT = "delay", "black-hole", "cut"
SLOWER_S = 0.1


@dataclass(frozen=True, slots=True)
class Misfortune:
    """One kind of them, every so many seconds from so many seconds on."""

    name: str
    every_s: float
    first_s: float


@dataclass(slots=True)
class Nemesis:
    """Does each misfortune at its times for `seconds`; `did` counts them, `story` tells when and to whom."""

    cluster: Cluster
    broker: OwnBroker
    random: random.Random
    misfortunes: tuple[Misfortune, ...]
    freeze_s: float
    broker_freeze_s: float
    proxies: Mapping[str, Proxy]
    slow_s: float
    """How long one role's way to the broker is slow, and each of its messages late by SLOWER_S, or closed."""
    did: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    _began: float = 0.0
    _frozen: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def rage(self, seconds: float) -> None:
        """Until the time is over; then everything that was frozen goes on and the broker is up."""
        self._began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(self._again_and_again(one) for one in self.misfortunes))
        except TimeoutError:
            pass
        finally:
            await self._heal()

    async def _again_and_again(self, misfortune: Misfortune) -> None:
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            KILL: self._kill, FREEZE: self._freeze, BROKER_KILL: self._kill_broker, BROKER_FREEZE: self._freeze_broker,
            DELAY: self._delay, BLACK_HOLE: self._swallow, CUT: self._cut,
        }  # fmt: skip
        due = self._began + misfortune.first_s
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await acts[misfortune.name]()
            due += misfortune.every_s

    async def _kill(self) -> None:
        if victim := self._victim():
            victim.process.kill()
            self._tell(KILL, victim.name)

    async def _freeze(self) -> None:
        if victim := self._victim():
            victim.signal(signal.SIGSTOP)
            self._tell(FREEZE, victim.name)
            self._frozen[victim.name] = asyncio.create_task(self._thaw_later(victim))

    async def _thaw_later(self, victim: WorkerProcess) -> None:
        try:
            await asyncio.sleep(self.freeze_s)
        finally:
            if victim.alive:
                victim.signal(signal.SIGCONT)
            self._frozen.pop(victim.name, None)

    async def _kill_broker(self) -> None:
        self._tell(BROKER_KILL, "broker")
        self.broker.kill()
        await asyncio.shield(asyncio.to_thread(self.broker.start))

    async def _freeze_broker(self) -> None:
        self._tell(BROKER_FREEZE, "broker")
        self.broker.freeze()
        try:
            await asyncio.sleep(self.broker_freeze_s)
        finally:
            self.broker.thaw()

    async def _delay(self) -> None:
        proxy = self._way(DELAY)
        proxy.delay_s = SLOWER_S
        await self._heal_later(proxy)

    async def _swallow(self) -> None:
        proxy = self._way(BLACK_HOLE)
        proxy.close()
        await self._heal_later(proxy)

    async def _heal_later(self, proxy: Proxy) -> None:
        try:
            await asyncio.sleep(self.slow_s)
        finally:
            proxy.heal()

    async def _cut(self) -> None:
        proxy = self._way(CUT)
        proxy.cut()

    def _way(self, what: str) -> Proxy:
        role = self.random.choice(sorted(self.proxies))
        self._tell(what, role)
        return self.proxies[role]

    def _victim(self) -> WorkerProcess | None:
        living = [w for _, w in sorted(self.cluster.workers.items()) if w.alive and w.name not in self._frozen]
        return self.random.choice(living) if living else None

    async def _heal(self) -> None:
        for task in list(self._frozen.values()):
            task.cancel()
        await asyncio.gather(*self._frozen.values(), return_exceptions=True)
        await asyncio.to_thread(self.broker.start)

    def _tell(self, what: str, whom: str) -> None:
        self.did[what] += 1
        self.story.append(f"{time.monotonic() - self._began:6.1f} s {what} {whom}")
