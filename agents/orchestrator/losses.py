"""Which open executions are lost: their incarnation is silent, left, or no longer reads their lane."""

from elexirion.agents.decide import Lost
from elexirion.agents.orchestrator.open_executions import OpenExecution, OpenExecutions
from elexirion.projections.fleet import Fleet
from elexirion.projections.run_state import RunState

UNLISTED_BEATS = 3


def lost(fleet: Fleet, execution: OpenExecution, lease_s: float, own: str) -> Lost | None:
    """Why the execution is given up, or None."""
    member = fleet.members.get(execution.incarnation)
    if member is None:
        return None
    if fleet.silent(execution.incarnation, lease_s):
        ran_s = None if execution.started_clock is None else max(0.0, member.heard_at - execution.started_clock)
        return Lost("worker_left" if member.left else "lease_expired", ran_s)
    if execution.incarnation != own and execution.unlisted >= UNLISTED_BEATS and not member.partitions(execution.lane):
        return Lost("lane_dropped")
    return None


def lost_of(fleet: Fleet, index: OpenExecutions, state: RunState, lease_s: float, own: str) -> dict[str, Lost]:
    """The lost executions of a run."""
    found: dict[str, Lost] = {}
    for execution in state.open_executions():
        known = index.get(execution.id)
        why = lost(fleet, known, lease_s, own) if known else None
        if why:
            found[execution.id] = why
    return found


def runs_with_losses(fleet: Fleet, index: OpenExecutions, lease_s: float, own: str) -> set[str]:
    """Runs that have at least one lost execution."""
    return {
        execution.run_id
        for incarnation in index.incarnations()
        for execution in index.of(incarnation)
        if lost(fleet, execution, lease_s, own)
    }
