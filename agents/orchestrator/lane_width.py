"""Lanes as wide as they have workers: a topic gets more partitions when a worker of its lane reads none.

No key lives on a lane, so nothing moves. Few partitions to begin with make each fetch cheaper
(docs/adr/0009-lanes-that-widen.md).
"""

import time
from collections.abc import Awaitable, Callable

import structlog
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.projections.fleet import Fleet

log = structlog.get_logger(__name__)

UNSERVED_S = 5.0
"""A worker that just came reads nothing for a moment, while its group shares the partitions anew."""
AGAIN_AFTER_S = 60.0


def wanted(fleet: Fleet, lane: str, lease_s: float) -> int | None:
    """How many partitions the lane should have; None while every live worker of it reads some."""
    members = [m for m in fleet.members.values() if lane in m.lanes and fleet.live(m.incarnation, lease_s)]
    read = sum(len(member.partitions(lane)) for member in members)
    idle = [member for member in members if not member.draining and not member.partitions(lane)]
    return max(2 * read, len(members)) if idle and read else None


class LaneWidth:
    """Looks at the fleet now and then; `widen` gives a lane's topic so many partitions."""

    def __init__(self, widen: Callable[[str, int], Awaitable[None]], lease_s: float) -> None:
        self._widen = widen
        self._lease_s = lease_s
        self._since: dict[str, float] = {}

    async def look(self, fleet: Fleet) -> None:
        """Widen each lane that has been too narrow for a while."""
        now = time.monotonic()
        for lane in {lane for member in fleet.members.values() for lane in member.lanes}:
            count = wanted(fleet, lane, self._lease_s)
            if count is None:
                self._since.pop(lane, None)
            elif now - self._since.setdefault(lane, now) >= UNSERVED_S:
                self._since[lane] = now + AGAIN_AFTER_S
                await self._widen_now(lane, count)

    async def _widen_now(self, lane: str, count: int) -> None:
        try:
            await self._widen(lane, count)
            log.info("lane widened: it has more workers than partitions", lane=lane, partitions=count)
        except KafkaProblem as problem:
            log.warning("lane not widened, some of its workers stay idle", lane=lane, problem=str(problem))
