"""How late the event loop is, and the end of a process whose loop is stuck: nothing else of it would notice."""

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

TICK_S = 0.25
WINDOW_S = 60.0
STUCK = 70
"""Exit code of a process that was ended for a stuck loop (EX_SOFTWARE)."""


class LoopWatch:
    """Ticks in the loop and remembers how late each tick came; `run` it as a task."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.ticks = 0
        self._clock = clock
        self._late: deque[tuple[float, float]] = deque()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            due = self._clock() + TICK_S
            await asyncio.sleep(TICK_S)
            self.tick(max(0.0, self._clock() - due))

    def tick(self, late_s: float) -> None:
        """The loop came by, `late_s` seconds after it should have."""
        self.ticks += 1
        self._late.append((self._clock(), late_s))
        self._forget()

    def worst_s(self) -> float:
        """The longest delay of the last WINDOW_S seconds."""
        self._forget()
        return max((late for _, late in self._late), default=0.0)

    def _forget(self) -> None:
        limit = self._clock() - WINDOW_S
        while self._late and self._late[0][0] < limit:
            self._late.popleft()


class Watchdog(threading.Thread):
    """Ends the process when the loop has not ticked for `limit_s`.

    It counts its own waits, not the clock: after a frozen process wakes, both start again together.
    """

    def __init__(self, watch: LoopWatch, limit_s: float, end: Callable[[float], None] | None = None) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._watch = watch
        self._limit_s = limit_s
        self._end = end or end_process
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        seen, stuck_s, wait_s = -1, 0.0, min(1.0, self._limit_s / 10)
        while not self._stopped.wait(wait_s):
            stuck_s = stuck_s + wait_s if self._watch.ticks == seen else 0.0
            seen = self._watch.ticks
            if stuck_s >= self._limit_s:
                self._end(stuck_s)
                return

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()


def end_process(stuck_s: float) -> None:
    """Say where every thread stands, and end at once: what the process held is taken over by others."""
    print(
        f"The event loop has been stuck for {stuck_s:.0f} s; the process ends with code {STUCK}. Where it stands:",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    os._exit(STUCK)
