"""Adding what a run says to the sessions it shares, before anything more is decided for it.

So no end of a run leaves turns behind, and a run that starts after another one ended reads all it said
(docs/adr/0010-shared-sessions.md).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from elexirion.agents.orchestrator.answering import RunPlans
from elexirion.agents.orchestrator.session_log import SessionLog, SessionUnreadableError
from elexirion.agents.shared_session import say_turns
from elexirion.events.envelope import Record
from elexirion.events.identifiers import session_run_id, turns_command_id
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import StepState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Addition:
    """Turns of a step that belong into the session of this name, by the command of this id."""

    command_id: str
    step: StepState
    name: str


class SessionWriter:
    """Remembers, for this life, what was published and what its session has decided; `send` publishes a command."""

    def __init__(self, plans: RunPlans, send: Callable[[Record], Awaitable[bool]], sessions: SessionLog) -> None:
        self._plans = plans
        self._send = send
        self._sessions = sessions
        self._published: set[str] = set()
        self._decided: set[str] = set()

    async def publish(self, state: RunState) -> bool:
        """Publish all that the run added to shared sessions; whether it is acknowledged."""
        new = [one for one in self._added(state) if one.command_id not in self._published]
        return all([await self._say(state, one) for one in new])

    async def settle(self, state: RunState) -> bool:
        """Publish it, and see whether each session has taken it or said why it does not."""
        if not await self.publish(state):
            return False
        open_ones = [one for one in self._added(state) if one.command_id not in self._decided]
        return all([await self._see(state, one) for one in open_ones])

    def forget(self, state: RunState) -> None:
        """The run ended."""
        for known in state.steps.values():
            if known.said is not None and known.execution_id is not None:
                self._published.discard(turns_command_id(known.execution_id))
                self._decided.discard(turns_command_id(known.execution_id))

    def _added(self, state: RunState) -> list[_Addition]:
        if state.replay_from is not None:  # it was said once, by the recorded run
            return []
        sessions, found = self._sessions_of(state), []
        for path, known in state.steps.items() if sessions else ():
            name = sessions.get(path.rpartition("/")[2])
            if name is not None and known.said is not None and known.execution_id is not None:
                found.append(_Addition(turns_command_id(known.execution_id), known, name))
        return found

    def _sessions_of(self, state: RunState) -> Mapping[str, str]:
        try:
            return self._plans.plan(state).adds_to
        except Exception as error:  # noqa: BLE001  # the run's own unit fails at this; its cancellation must not
            log.warning("the plan of a run cannot be read", run_id=state.run_id, error=repr(error))
            return {}

    async def _say(self, state: RunState, one: _Addition) -> bool:
        for record in say_turns(state, one.step, one.name):
            if not await self._send(record):
                return False
        self._published.add(one.command_id)
        return True

    async def _see(self, state: RunState, one: _Addition) -> bool:
        try:
            decided = await self._sessions.decided(session_run_id(one.name, offline=state.offline), one.command_id)
        except SessionUnreadableError as error:
            log.warning("a shared session cannot be read, trying again", session=one.name, problem=str(error))
            return False
        if decided:
            self._decided.add(one.command_id)
        return decided
