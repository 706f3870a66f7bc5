"""Who gets the next free slot of a lane: classes of priority by their weights, and within a class each run in turn.

Pure: no clock, no random. Nobody starves: of the classes that wait each gets its share of the slots, and within a class
a run that was served stands behind all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from elexirion.events.priority import Priority

WEIGHTS: Mapping[Priority, int] = {"high": 9, "normal": 3, "low": 1}
"""Of 13 slots that fall free while all classes wait, a class gets so many."""


@dataclass(slots=True)
class FairQueue:
    """Runs that wait for one lane, each once, until they leave. `_served` counts slots of a class over its weight."""

    _served: dict[Priority, float] = field(default_factory=lambda: dict.fromkeys(WEIGHTS, 0.0))
    _waiting: dict[Priority, dict[str, None]] = field(default_factory=lambda: {priority: {} for priority in WEIGHTS})
    _last: float = 0.0

    def __len__(self) -> int:
        return sum(len(runs) for runs in self._waiting.values())

    def __contains__(self, run_id: str) -> bool:
        return any(run_id in runs for runs in self._waiting.values())

    def wait(self, run_id: str, priority: Priority) -> None:
        """The run stands at the end of its class, unless it waits already. No class gains by having been away."""
        if run_id in self:
            return
        if not self._waiting[priority]:
            self._served[priority] = max(self._served[priority], self._last)
        self._waiting[priority][run_id] = None

    def leave(self, run_id: str) -> bool:
        """The run wants no more of the lane; whether it waited."""
        waited = run_id in self
        for runs in self._waiting.values():
            runs.pop(run_id, None)
        return waited

    def take(self) -> str | None:
        """The run that gets the next slot. It goes on waiting, at the end of its class."""
        waiting: list[Priority] = [priority for priority, runs in self._waiting.items() if runs]
        if not waiting:
            return None
        priority: Priority = min(waiting, key=self._standing)
        self._last = self._served[priority]
        self._served[priority] += 1 / WEIGHTS[priority]
        runs = self._waiting[priority]
        run_id = next(iter(runs))
        del runs[run_id]
        runs[run_id] = None
        return run_id

    def _standing(self, priority: Priority) -> tuple[float, int]:
        """What was served of the class; of two that stand alike the higher one is first."""
        return self._served[priority], -WEIGHTS[priority]
