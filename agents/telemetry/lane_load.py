"""How full a lane of a worker is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """A lane of this worker: its slots, and the executions it holds, running or queued."""

    name: str
    slots: int
    held: int
