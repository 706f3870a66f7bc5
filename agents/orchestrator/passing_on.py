"""What a process that ends still decides: its released executions go to others before it leaves.

Who takes its partitions over hears of that with the next heartbeat of its group, which is seconds later.
"""

import asyncio
from collections.abc import Callable, Sequence

from elexirion.agents.orchestrator.open_executions import OpenExecutions
from elexirion.events.identifiers import ExecutionId
from elexirion.projections.run_state import RunState

WITHIN_S = 1.0
LOOK_EVERY_S = 0.01


async def passed_on(released: Sequence[str], state: Callable[[str], RunState | None], index: OpenExecutions) -> None:
    """Wait until each is placed anew, but not for long: there may be nobody to take it."""

    def left() -> bool:
        return any(waits(state(ExecutionId.parse(id).run_id), index, id) for id in released)

    clock = asyncio.get_running_loop().time
    ends = clock() + WITHIN_S
    while left() and clock() < ends:  # noqa: ASYNC110  # folds set no event
        await asyncio.sleep(LOOK_EVERY_S)


def waits(state: RunState | None, index: OpenExecutions, released: str) -> bool:
    """Whether the run (None where others decide) has yet to schedule and dispatch the execution's successor."""
    if state is None or state.status != "running" or released not in state.executions:
        return False
    gone, id = state.executions[released], ExecutionId.parse(released)
    if gone.closed_by not in (None, "released"):
        return False
    later = [e for e in state.executions.values() if e.step == gone.step and ExecutionId.parse(e.id).n > id.n]
    return not any(not e.open or _dispatched(index, e.id) for e in later)


def _dispatched(index: OpenExecutions, id: str) -> bool:
    known = index.get(id)
    return known is not None and known.dispatches > 0
