"""An event loop whose time passes by itself, and the processes that live on it.

Nothing waits: when no task can go on, the clock moves to the next timer. Each callback belongs to the process in
whose context it was made. A killed process is one whose callbacks are dropped, wherever they stand; those of a
stopped one are kept and run when it goes on, so it goes on in the middle of whatever it was at.
"""

import asyncio
import heapq
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from elexirion.events.envelope import wall_clock

T = TypeVar("T")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class Turn:
    """A callback that waits for its turn: what asyncio.Handle is, without what nobody looks at here."""

    __slots__ = ("args", "callback", "context", "dropped")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None) -> None:
        self.callback = callback
        self.args = args
        self.context = context if context is not None else copy_context()
        self.dropped = False

    def cancel(self) -> None:
        """It is not called."""
        self.dropped = True

    def cancelled(self) -> bool:
        """Whether it is not called."""
        return self.dropped


@dataclass(eq=False)
class Process:
    """One life of a simulated process. `wall_offset_s`: how wrong its wall clock is; `gone` hears that it exited.

    `incarnation` is what it calls itself, once it knows.
    """

    name: str
    wall_offset_s: float = 0.0
    incarnation: str = ""
    dead: bool = False
    stopped: bool = False
    held_back: deque[Turn] = field(default_factory=deque)
    signals: dict[int, Callable[[], None]] = field(default_factory=dict)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    gone: Callable[[], None] = lambda: None


PROCESS: ContextVar[Process | None] = ContextVar("simulated_process", default=None)
"""The process that code runs in; None for the world around them: the broker, the users, the faults."""


class Exited(BaseException):
    """What ends the code of a process that called os._exit: nothing of it runs any more."""


class Stuck(Exception):  # noqa: N818  # what happened
    """Nothing can ever happen any more."""


class VirtualLoop(asyncio.BaseEventLoop):
    """No sockets, no threads, no waiting. `run_world` drives it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._numbers = count()
        self._turns: deque[Turn] = deque()
        self._timers: list[tuple[float, int, Turn]] = []
        self.world: Context = copy_context()
        self.crashes: list[dict[str, Any]] = []
        self.over = False
        self.set_task_factory(_remembered)
        self.set_exception_handler(lambda _, context: self.crashes.append(context))

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def wall(self, process: Process) -> datetime:
        """What the process takes for the time of day."""
        return BEGINNING + timedelta(seconds=self._now + process.wall_offset_s)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Turn:  # type: ignore[override]
        """As ever; of two for the same moment the one that was asked for first comes first."""
        timer = Turn(callback, args, context)
        if not self.over:
            heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Turn:  # type: ignore[override]
        """As ever."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def later(self, delay_s: float, what: Callable[..., object], *args: Any) -> Turn:
        """Call it in the world, whichever process asks."""
        return self.call_later(delay_s, what, *args, context=self.world)

    def spawn(self, process: Process, main: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Begin the life of a process."""
        context = self.world.copy()
        context.run(PROCESS.set, process)
        context.run(wall_clock.set, lambda: self.wall(process))
        return context.run(lambda: self.create_task(main(), name=process.name))

    def kill(self, process: Process) -> None:
        """As `kill -9`: nothing of it runs any more, no `finally` either."""
        process.dead = True
        process.held_back.clear()

    def exit(self, _code: int) -> None:
        """Stands for os._exit: the process that calls it ends at once, as if it were killed."""
        process = PROCESS.get()
        assert process is not None
        self.kill(process)
        process.gone()
        raise Exited

    def stop_process(self, process: Process) -> None:
        """As SIGSTOP."""
        process.stopped = True

    def continue_process(self, process: Process) -> None:
        """As SIGCONT: it goes on with what it knew."""
        process.stopped = False
        self._turns.extend(process.held_back)
        process.held_back.clear()

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """Signals come from the world alone, by `signal`."""
        process, context = PROCESS.get(), copy_context()
        assert process is not None
        process.signals[sig] = lambda: self.call_soon(callback, *args, context=context) and None

    # -- the loop itself

    def _run_once(self) -> None:
        ready, timers = self._turns, self._timers
        while timers and timers[0][2].dropped:
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise Stuck
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            self._run_one(ready.popleft())

    def _run_one(self, turn: Turn) -> None:
        if turn.dropped:
            return
        process = turn.context.get(PROCESS)
        if process is not None and process.stopped:
            process.held_back.append(turn)
        elif process is None or not process.dead:
            try:
                turn.context.run(turn.callback, *turn.args)
            except Exited:
                pass
            except Exception as error:  # noqa: BLE001  # as asyncio.Handle does
                self.call_exception_handler({"message": f"Exception in callback {turn.callback}", "exception": error})

    def _write_to_self(self) -> None:
        """There is no selector to wake."""

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Turn:  # type: ignore[override]
        """As ever; after the end nothing is scheduled any more."""
        turn = Turn(callback, args, context)
        if not self.over:
            self._turns.append(turn)
        return turn

    def bury(self) -> None:
        """Close what is left of every process, whatever its `finally` blocks would still like to do."""
        self.over = True
        self._close_all()
        self._turns.clear()
        self._timers.clear()
        self.close()

    def _close_all(self) -> None:
        for task in _TASKS.pop(id(self), []):
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):
                    task.get_coro().close()  # type: ignore[union-attr]


_TASKS: dict[int, list[asyncio.Task[Any]]] = {}
"""Tasks of each loop, kept: one that the collector finds would run its `finally` at a moment nobody chose."""


def _remembered(loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    tasks = _TASKS.setdefault(id(loop), [])
    tasks.append(task)
    if len(tasks) % 2000 == 0:
        tasks[:] = [one for one in tasks if not one.done()]
    return task


def run_world(loop: VirtualLoop, main: Awaitable[T]) -> T:
    """Run `main` in the world, outside of any process, and end everything with it."""
    hooks = sys.get_asyncgen_hooks()
    try:
        return loop.run_until_complete(main)
    finally:
        sys.set_asyncgen_hooks(*hooks)
        loop.bury()
