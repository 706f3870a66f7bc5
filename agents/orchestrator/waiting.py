"""Runs that wait for a free slot, fairly: first come, first served, one placement each while others wait."""

import time
from collections import OrderedDict


class LaneQueues:
    """A queue of run ids for each lane, and since when a lane has had no live worker (monotonic seconds)."""

    def __init__(self) -> None:
        self._queues: dict[str, OrderedDict[str, None]] = {}
        self._deserted: dict[str, float] = {}

    def wait(self, run_id: str, lanes: set[str]) -> None:
        """The run goes to the end of these queues, unless it stands there."""
        for lane in lanes:
            self._queues.setdefault(lane, OrderedDict()).setdefault(run_id, None)

    def leave(self, run_id: str) -> None:
        """The run ended, or is no longer ours."""
        for queue in self._queues.values():
            queue.pop(run_id, None)

    def others(self, run_id: str, lanes: set[str]) -> bool:
        """Whether another run waits for one of the lanes."""
        return any(len(self._queues.get(lane, ())) > (run_id in self._queues.get(lane, ())) for lane in lanes)

    def first(self, lane: str, count: int) -> list[str]:
        """Take up to `count` runs from the front."""
        queue = self._queues.get(lane)
        taken: list[str] = []
        while queue and len(taken) < count:
            taken.append(queue.popitem(last=False)[0])
        return taken

    def lanes(self) -> list[str]:
        """Lanes for which runs wait."""
        return [lane for lane, queue in self._queues.items() if queue]

    def known(self) -> list[str]:
        """Lanes for which a run ever waited: one that is woken to look again stands in no queue meanwhile."""
        return list(self._queues)

    def deserted(self, lane: str, *, now_served: bool) -> float:
        """Seconds for which the lane has had no live worker; 0 where it has one."""
        if now_served:
            self._deserted.pop(lane, None)
            return 0.0
        now = time.monotonic()
        return now - self._deserted.setdefault(lane, now)
