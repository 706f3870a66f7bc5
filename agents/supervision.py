"""Supervision on mode: rest-for-one, and crashes counted in a window of our own.

mode has one-for-one and one-for-all. It looks for crashes every five seconds unless woken, forgets a call that
comes while it is at work, and its own restart limit lets many restarts through before it ends the process; so
the services here wake their supervisor, the supervisor keeps the call, and it asks a CrashWindow.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import structlog
from mode import Service
from mode.supervisors import SupervisorStrategy
from mode.types import ServiceT

log = structlog.get_logger(__name__)


MAX_CRASHES = 3
"""So many crashes within a minute are restarted from the log; with one more the run is given up."""


class CrashWindow:
    """Counts crashes; `full` once more than `limit` fell within `over_s` seconds."""

    def __init__(
        self, limit: int = MAX_CRASHES, over_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._over_s = over_s
        self._clock = clock
        self._crashes: deque[float] = deque()

    def crashed(self) -> None:
        """One more."""
        self._crashes.append(self._clock())

    @property
    def count(self) -> int:
        """Crashes within the window."""
        limit = self._clock() - self._over_s
        while self._crashes and self._crashes[0] < limit:
            self._crashes.popleft()
        return len(self._crashes)

    @property
    def full(self) -> bool:
        """Whether it is time to give up."""
        return self.count > self._limit


class Supervised(Service):
    """A service that wakes its supervisor when it crashes. Its starts and stops are told at debug level only."""

    abstract = True
    mundane_level = "debug"

    async def crash(self, reason: BaseException) -> None:
        """Mark the crash and call the supervisor at once."""
        await super().crash(reason)
        if self.supervisor is not None:
            self.supervisor.wakeup()


class RestForOneSupervisor(SupervisorStrategy):
    """Children depend on those before them: a crash restarts the child and all after it, in order.

    `gave_up` is called, once, when the window of crashes is full; nothing is restarted any more then.
    """

    mundane_level = "debug"

    def __init__(
        self, *services: ServiceT, window: CrashWindow, gave_up: Callable[[BaseException], Awaitable[None]]
    ) -> None:
        super().__init__()
        self.window = window
        self._gave_up = gave_up
        self._over = False
        self._called = asyncio.Event()
        self.add(*services)

    def wakeup(self) -> None:
        """A child crashed; a call that comes while others are being restarted is kept."""
        self._called.set()

    @Service.task
    async def _supervisor(self) -> None:
        while not self.should_stop:
            await self._called.wait()
            self._called.clear()
            await self.restart_services([service for service in self._services if service.crashed])

    async def restart_services(self, services: list[ServiceT]) -> None:
        """Restart the first crashed child and the rest behind it."""
        if self._over or not services:
            return
        first = min(self._services.index(service) for service in services)
        reason = self._services[first].crash_reason or RuntimeError("crashed without a reason")
        for _ in services:
            self.window.crashed()
        if self.window.full:
            self._over = True
            await self._gave_up(reason)
            return
        log.warning("restarting after a crash", child=self._services[first].label, reason=repr(reason))
        rest = self._services[first:]
        for service in reversed(rest):
            await service.stop()
        for service in rest:
            await service.restart()
