"""Own decisions that were sent and not read back yet. While one is unread, nothing more is decided for its run.

The mark ends when the record is read back, accepted or refused, or at a deadline: then the outcome is unknown
and deciding anew is safe, since numbers and chaining arbitrate.
"""

import time
from dataclasses import dataclass


@dataclass(slots=True)
class _Mark:
    ids: set[str]
    deadline: float


class Unread:
    """Marks by run id, also of runs that do not exist yet. Times are monotonic seconds."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._marks: dict[str, _Mark] = {}

    def mark(self, run_id: str, ids: set[str]) -> None:
        """These decisions of the run are on their way."""
        known = self._marks.get(run_id)
        deadline = time.monotonic() + self._timeout_s
        self._marks[run_id] = _Mark(ids | known.ids if known else set(ids), deadline)

    def waiting(self, run_id: str) -> bool:
        """Whether the run has an unread decision whose deadline has not passed."""
        mark = self._marks.get(run_id)
        if mark is None:
            return False
        if mark.deadline <= time.monotonic():
            del self._marks[run_id]
            return False
        return True

    def read_back(self, run_id: str, record_id: str) -> bool:
        """Whether the record is one of ours; the mark ends with the last of them."""
        mark = self._marks.get(run_id)
        if mark is None or record_id not in mark.ids:
            return False
        mark.ids.discard(record_id)
        if not mark.ids:
            del self._marks[run_id]
        return True

    def overdue(self) -> list[str]:
        """Runs whose mark has passed its deadline; their marks end."""
        now = time.monotonic()
        passed = [run_id for run_id, mark in self._marks.items() if mark.deadline <= now]
        for run_id in passed:
            del self._marks[run_id]
        return passed
