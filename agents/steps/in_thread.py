"""Blocking work of a step in a thread, which hears of it when the step is given up."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class GivenUp(Exception):  # noqa: N818 - what happened, like every event
    """The step ended in the meantime: nothing that comes of it counts any more."""


class Stop:
    """Says whether the step is still wanted."""

    def __init__(self) -> None:
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Make every later `check` raise."""
        self._given_up.set()

    def check(self) -> None:
        """Raises GivenUp once the step has ended; call it before each piece of work."""
        if self._given_up.is_set():
            raise GivenUp


async def in_thread(work: Callable[[Stop], Result]) -> Result:
    """The result of `work`, which must call `check` often: a thread cannot be ended from outside."""
    stop = Stop()
    try:
        return await asyncio.to_thread(work, stop)
    except asyncio.CancelledError:
        stop.give_up()
        raise
