"""What an open run says to other runs: to the next of its chain, to its children that they begin, pause,
go on, and, of a schedule, to the runs that it fired.

Each command is published once in a life of this process; doing it again in another one is harmless, by its id. That a
child goes on is said behind its StartRun, by the same process: said before it, the word would be rejected, as there is
no such run, and an older word that is still on its way, to pause, would be the last one that counts.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from elexirion.agents.orchestrator.child_runs import start_child, turn_child
from elexirion.agents.orchestrator.fired_run import start_fired
from elexirion.agents.orchestrator.successor import successor_record
from elexirion.events.envelope import Record
from elexirion.events.values import Value
from elexirion.projections.run_state import Child, RunState
from elexirion.projections.schedule_state import ScheduleState


class OtherRuns:
    """Says it. `publish` says whether a command was acknowledged, `load` reads what is too large for one record."""

    def __init__(self, publish: Callable[[Record], Awaitable[bool]], load: Callable[[Value], Awaitable[Any]]) -> None:
        self._publish = publish
        self._load = load
        self._said: dict[str, set[str]] = {}

    def has_said(self, run_id: str, command_id: str) -> bool:
        """Whether this process published the command of the run."""
        return command_id in self._said.get(run_id, ())

    def forget(self, run_id: str) -> None:
        """The run ended, or is no longer ours."""
        self._said.pop(run_id, None)

    async def tell(self, state: RunState) -> bool:
        """Say what was not said yet; whether all of it is acknowledged."""
        if state.schedule is not None:
            return await self._fired(state, state.schedule)
        told = [await self._child(state, child) for child in state.children.values()]
        if state.successor and state.status != "paused":
            told.append(await self._say(state, successor_record(state)))
        return all(told)

    async def _fired(self, state: RunState, schedule: ScheduleState) -> bool:
        """Each run that a schedule fired begins, also where it was paused since; those that ended need no mark."""
        commands = [start_fired(state, one) for one in schedule.open.values()]
        self._said[state.run_id] = self._said.get(state.run_id, set()) & {command.id for command in commands}
        return all([await self._say(state, command) for command in commands])

    async def _child(self, state: RunState, child: Child) -> bool:
        """A run that is paused starts none; one that was asked for since it went on knows of no pause."""
        if state.status != "paused" and not await self._begin(state, child):
            return False
        if state.turned_seq is None or state.turned_seq < child.seq:
            return True
        return await self._say(state, turn_child(state, child.run_id))

    async def _begin(self, state: RunState, child: Child) -> bool:
        if self.has_said(state.run_id, child.command_id):
            return True
        return await self._say(state, start_child(state, child, await self._load(child.pipeline)))

    async def _say(self, state: RunState, command: Record) -> bool:
        if self.has_said(state.run_id, command.id):
            return True
        acknowledged = await self._publish(command)
        if acknowledged:
            self._said.setdefault(state.run_id, set()).add(command.id)
        return acknowledged
