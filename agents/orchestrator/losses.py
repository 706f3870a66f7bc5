"""Which open executions are lost: their incarnation is silent, left, or no longer reads their lane."""

from elexirion.agents.decide import Lost
from elexirion.agents.orchestrator.open_executions import OpenExecution, OpenExecutions
from elexirion.projections.fleet import Fleet, Member
from elexirion.projections.run_state import RunState

UNLISTED_BEATS = 3
"""So many beats without the execution and without the lane, where another worker reads the lane."""
UNREAD_BEATS = 20
"""And so many where nobody does: all of them join their group anew, as after an outage of the broker."""


def lost(fleet: Fleet, execution: OpenExecution, lease_s: float, own: str) -> Lost | None:
    """Why the execution is given up, or None."""
    member = fleet.members.get(execution.incarnation)
    if member is None:
        return None
    if fleet.silent(execution.incarnation, lease_s):
        ran_s = None if execution.started_clock is None else max(0.0, member.heard_at - execution.started_clock)
        return Lost("worker_left" if member.left else "lease_expired", ran_s)
    if execution.incarnation != own and _dropped(fleet, execution, member, lease_s):
        return Lost("lane_dropped")
    return None


def _dropped(fleet: Fleet, execution: OpenExecution, member: Member, lease_s: float) -> bool:
    """The worker does not have the execution, and no longer reads the lane by which it would come."""
    if execution.unlisted < UNLISTED_BEATS or member.partitions(execution.lane):
        return False
    return execution.unlisted >= UNREAD_BEATS or fleet.reads(execution.lane, lease_s)


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
