"""The four deadlines of a provider call: connect, first byte, idle and total."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import TypeVar

import httpx
from elexirion.agents.providers.failures import CallError
from elexirion.events.failure import FailureKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds allowed for connecting, until the first byte of a stream, and between two pieces of it.

    The total is `ProviderCall.timeout_s`. Models may think long before and between texts, hence the wide defaults.
    """

    connect_s: float = 10.0
    first_byte_s: float = 180.0
    idle_s: float = 120.0


class CallClock:
    """The deadlines of one call; whichever comes first ends it with its own failure kind."""

    def __init__(self, deadlines: Deadlines, timeout_s: float, *, streaming: bool) -> None:
        self._loop = asyncio.get_running_loop()
        started = self._loop.time()
        self._idle_s = deadlines.idle_s
        self._total_at = started + timeout_s
        # An answer that is not streamed comes in one piece at its end: only the total bounds it.
        self._first_at = started + (deadlines.first_byte_s if streaming else timeout_s)
        self._heard = False

    async def within(self, step: Awaitable[T]) -> T:
        """The result of `step`; raises CallError with the kind of the deadline that passed first."""
        at, kind = self._next()
        scope = asyncio.timeout_at(at)
        try:
            async with scope:
                return await step
        except TimeoutError:
            if scope.expired():
                raise CallError(kind) from None
            raise

    def heard(self) -> None:
        """Note that a piece of the answer came: from now on the idle deadline counts."""
        self._heard = True

    def _next(self) -> tuple[float, FailureKind]:
        nearest: tuple[float, FailureKind]
        if self._heard:
            nearest = self._loop.time() + self._idle_s, "timeout_idle"
        else:
            nearest = self._first_at, "timeout_first_byte"
        return nearest if nearest[0] < self._total_at else (self._total_at, "timeout_total")


class TimedStream(httpx.AsyncByteStream):
    """A response body read under the call's deadlines."""

    def __init__(self, inner: httpx.AsyncByteStream, clock: CallClock) -> None:
        self._inner = inner
        self._clock = clock

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._inner)
        while (piece := await self._clock.within(anext(pieces, None))) is not None:
            self._clock.heard()
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()
