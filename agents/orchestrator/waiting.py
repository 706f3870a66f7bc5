"""Runs that wait for a slot of a lane, and slots that were granted: while others wait, none places without a grant."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from elexirion.agents.fair_queue import FairQueue
from elexirion.events.priority import Priority

GRANT_S = 1.0
"""A run that did not answer a grant by then, whatever keeps it, holds nobody up any more."""


@dataclass(slots=True)
class _Grant:
    slots: int
    until: float


@dataclass(slots=True)
class _Lane:
    queue: FairQueue = field(default_factory=FairQueue)
    grants: dict[str, _Grant] = field(default_factory=dict)


class LaneQueues:
    """A queue for each lane, and since when a lane has had no live worker (monotonic seconds)."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._deserted: dict[str, float] = {}

    def wait(self, run_id: str, lanes: set[str], priority: Priority) -> None:
        """The run goes to the end of these queues, unless it stands there."""
        for lane in lanes:
            self._lanes.setdefault(lane, _Lane()).queue.wait(run_id, priority)

    def leave(self, run_id: str) -> None:
        """The run ended, or is no longer ours."""
        for lane in self._lanes.values():
            lane.queue.leave(run_id)
            lane.grants.pop(run_id, None)

    def most(self, run_id: str, lanes: set[str]) -> dict[str, int]:
        """By lane, how many placements the run may make now; a lane for which nobody else waits is not named."""
        return {lane: self._granted(lane, run_id) for lane in lanes if self._others(run_id, lane)}

    def grant(self, lane: str, free: int) -> list[str]:
        """Hand out the slots that are free and not granted yet, each to one run; those who got some."""
        known = self._lanes.get(lane)
        if known is None:
            return []
        self._expire(known)
        given: dict[str, None] = {}
        for _ in range(free - sum(grant.slots for grant in known.grants.values())):
            run_id = known.queue.take()
            if run_id is None:
                break
            known.grants.setdefault(run_id, _Grant(0, time.monotonic() + GRANT_S)).slots += 1
            given[run_id] = None
        return list(given)

    def decided(self, run_id: str, priority: Priority, wanted: set[str], placed: Mapping[str, int]) -> list[str]:
        """The run decided, so its grants are over; lanes whose free slots may be granted anew.

        It waits where it wants a slot and placed nothing, and waits no more where it has no use for another one.
        """
        anew = []
        for name in wanted | self._lanes.keys():
            lane = self._lanes.setdefault(name, _Lane())
            grant, used = lane.grants.pop(run_id, None), placed.get(name, 0)
            if name in wanted and not used:
                lane.queue.wait(run_id, priority)
                # One that had a grant found no room after all: the next free slot is heard of.
                anew += [] if grant else [name]
            elif (name not in wanted or (grant and used < grant.slots)) and (lane.queue.leave(run_id) or grant):
                anew.append(name)
        return anew

    def lanes(self) -> list[str]:
        """Lanes for which runs wait."""
        return [name for name, lane in self._lanes.items() if lane.queue]

    def known(self) -> list[str]:
        """Lanes for which a run ever waited."""
        return list(self._lanes)

    def deserted(self, lane: str, *, now_served: bool) -> float:
        """Seconds for which the lane has had no live worker; 0 where it has one."""
        if now_served:
            self._deserted.pop(lane, None)
            return 0.0
        now = time.monotonic()
        return now - self._deserted.setdefault(lane, now)

    def _others(self, run_id: str, lane: str) -> bool:
        known = self._lanes.get(lane)
        return known is not None and len(known.queue) > (run_id in known.queue)

    def _granted(self, lane: str, run_id: str) -> int:
        grant = self._lanes[lane].grants.get(run_id)
        return grant.slots if grant and grant.until > time.monotonic() else 0

    def _expire(self, lane: _Lane) -> None:
        """Who did not answer waits no more: it asks again when it can."""
        now = time.monotonic()
        for run_id in [run_id for run_id, grant in lane.grants.items() if grant.until <= now]:
            del lane.grants[run_id]
            lane.queue.leave(run_id)
