"""What an orchestrator does about the fleet: reconcile with each heartbeat, look for losses with each tick."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.orchestrator.desk import RunDesk
from elexirion.agents.orchestrator.dispatcher import Dispatcher
from elexirion.agents.orchestrator.losses import runs_with_losses
from elexirion.agents.orchestrator.open_executions import OpenExecutions
from elexirion.events.worker import WorkerHeartbeat
from elexirion.projections.fleet import Fleet

log = structlog.get_logger(__name__)


class FleetDuty:
    """Kafka delivers, the log decides, the heartbeat reconciles."""

    def __init__(
        self, desk: RunDesk, dispatcher: Dispatcher, index: OpenExecutions, lease_s: float, incarnation: str
    ) -> None:
        self._desk = desk
        self._dispatcher = dispatcher
        self._index = index
        self._lease_s = lease_s
        self._own = incarnation
        self._chores: set[asyncio.Task[None]] = set()

    def heard(self, data: WorkerHeartbeat) -> None:
        """Not listed means dispatch again; listed and closed means take back; a free slot wakes who waits."""
        held = set(data.held)
        for execution in self._index.of(data.incarnation):
            execution.unlisted = 0 if execution.id in held else execution.unlisted + 1
            state = self._desk.state(execution.run_id)
            if execution.unlisted and state:
                self._chore(self._dispatcher.dispatch(state, execution.id))
        for execution_id in held:
            self._recall_if_closed(execution_id, data.incarnation)
        for offer in data.lanes:
            self._desk.wake_waiting(offer.lane)

    def look(self, fleet: Fleet) -> set[str]:
        """The lease clock advanced: wake runs with losses or overdue marks, and return them."""
        losses = runs_with_losses(fleet, self._index, self._lease_s, self._own)
        touched = losses | set(self._desk.unread.overdue())
        for run_id in touched:
            self._desk.wake(run_id)
        for lane in self._desk.waiting_lanes():
            self._desk.wake_waiting(lane)
        self._desk.runs.park_idle()
        return touched

    def _recall_if_closed(self, execution_id: str, incarnation: str) -> None:
        run_id = execution_id.partition("/")[0]
        owned = self._desk.owned(run_id)
        if owned is None or self._index.get(execution_id):
            return
        state = owned.fold.runs.get(run_id)
        known = state.executions.get(execution_id) if state else None
        if run_id in owned.fold.ended or (known and not known.open):
            lane = known.lane if known else "local"
            self._chore(self._dispatcher.cancel(execution_id, run_id, lane, incarnation))

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chored)

    def _chored(self, task: "asyncio.Task[None]") -> None:
        self._chores.discard(task)
        if not task.cancelled() and isinstance(task.exception(), KafkaProblem):
            log.warning("not sent", problem=str(task.exception()))
