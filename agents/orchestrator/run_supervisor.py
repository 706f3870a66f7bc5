"""The application supervisor: one-for-one over the active runs. A run that crashes touches no neighbour."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

import structlog
from elexirion.agents.orchestrator.answering import RunPlans
from elexirion.agents.orchestrator.run_unit import Desk, RunUnit
from elexirion.agents.supervision import MAX_CRASHES

log = structlog.get_logger(__name__)

PARK_AFTER_S = 30.0
SOON_S = 0.25
"""The times of a run are whole seconds and more, and of a short step the end wakes it anyway before that."""
FIRST_S = 0.001
"""A run becomes active while its first step is under way: after that was sent, and before it ends."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Why a run is set aside, in words, and how often it crashed before."""

    reason: str
    crashes: int


Quarantine: TypeAlias = Callable[[str, GivenUp], Coroutine[Any, Any, None]]
"""Ends a run that was given up, as soon as it may be decided."""


class RunSupervisor:
    """Active runs by id. A run that nothing happened to for PARK_AFTER_S is parked: stopped, it is data."""

    def __init__(self, desk: Desk, plans: RunPlans, quarantine: Quarantine) -> None:
        self._desk = desk
        self._plans = plans
        self._quarantine = quarantine
        self._units: dict[str, RunUnit] = {}
        self._woken_at: dict[str, float] = {}
        self._soon: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.given_up: dict[str, GivenUp] = {}

    def __len__(self) -> int:
        return len(self._units)

    def ids(self) -> list[str]:
        """The active runs."""
        return list(self._units)

    def unit(self, run_id: str) -> RunUnit | None:
        """The run's unit, if it is active."""
        return self._units.get(run_id)

    def wake(self, run_id: str) -> None:
        """Something changed for the run; a parked one becomes active."""
        self._woken_at[run_id] = time.monotonic()
        self._no_longer_soon(run_id)
        unit = self._units.get(run_id)
        if unit is not None:
            unit.wake()
        elif run_id in self.given_up:
            self._spawn(self._quarantine(run_id, self.given_up[run_id]))
        else:
            unit = self._units[run_id] = RunUnit(run_id, self._desk, self._plans, self._give_up)
            self._spawn(self._start(unit))

    def wake_soon(self, run_id: str) -> None:
        """Something changed that matters to the run's times only: whatever wakes it before will do."""
        if run_id not in self._soon:
            wait_s = SOON_S if run_id in self._units else FIRST_S
            self._soon[run_id] = asyncio.get_running_loop().call_later(wait_s, self.wake, run_id)

    def set_aside(self, run_id: str, reason: str) -> None:
        """A record of the run cannot be folded: nothing is decided for it any more but its quarantine."""
        if run_id not in self.given_up:
            log.error("a run is set aside", run_id=run_id, reason=reason)
        self.discard(run_id)
        self.given_up[run_id] = GivenUp(reason, 1)
        self.wake(run_id)

    def discard(self, run_id: str) -> None:
        """The run ended or is no longer ours."""
        self._woken_at.pop(run_id, None)
        self._no_longer_soon(run_id)
        self.given_up.pop(run_id, None)
        unit = self._units.pop(run_id, None)
        if unit is not None:
            self._spawn(self._stop(unit))

    def park_idle(self) -> None:
        """Stop the units to which nothing happened for a while."""
        limit = time.monotonic() - PARK_AFTER_S
        for run_id in [run_id for run_id, at in self._woken_at.items() if at < limit]:
            self.discard(run_id)

    async def stop(self) -> None:
        """Stop all units."""
        for run_id in [*self._units, *self._soon]:
            self.discard(run_id)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _no_longer_soon(self, run_id: str) -> None:
        handle = self._soon.pop(run_id, None)
        if handle is not None:
            handle.cancel()

    async def _start(self, unit: RunUnit) -> None:
        await unit.supervisor.start()

    async def _stop(self, unit: RunUnit) -> None:
        await unit.supervisor.stop()

    async def _give_up(self, run_id: str, reason: BaseException) -> None:
        log.error("a run crashed again and again; it is set aside", run_id=run_id, reason=repr(reason))
        said = f"working on the run crashed again and again: {type(reason).__name__}: {reason}"
        given_up = self.given_up[run_id] = GivenUp(said, MAX_CRASHES + 1)
        unit = self._units.pop(run_id, None)
        try:
            await self._quarantine(run_id, given_up)
        finally:
            # Only now: this is the unit's own supervisor, and stopping it cancels what it waits for.
            if unit is not None:
                self._spawn(self._stop(unit))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("run supervision failed", error=repr(task.exception()))
