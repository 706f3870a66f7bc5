"""Own decisions that were sent and not read back yet. While one is unread, nothing more is decided for its run.

The mark ends when the record is read back, accepted or refused, or at a deadline: then the outcome is unknown
and deciding anew is safe, since numbers and chaining arbitrate. Until then the slots it places on are not free.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class _Mark:
    ids: set[str]
    places: dict[str, tuple[str, str]]
    deadline: float


class Unread:
    """Marks by run id, also of runs that do not exist yet. Times are monotonic seconds."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._marks: dict[str, _Mark] = {}
        self.placed: Counter[tuple[str, str]] = Counter()
        self._none = asyncio.Event()
        self._none.set()

    def mark(self, run_id: str, ids: set[str], places: Mapping[str, tuple[str, str]] | None = None) -> None:
        """These decisions of the run are on their way; `places`: (incarnation, lane) by the id of a placement."""
        known = self._marks.get(run_id)
        deadline = time.monotonic() + self._timeout_s
        more = {id: place for id, place in (places or {}).items() if not known or id not in known.places}
        self.placed.update(more.values())
        self._none.clear()
        self._marks[run_id] = _Mark(
            ids | known.ids if known else set(ids), more | known.places if known else more, deadline
        )

    def waiting(self, run_id: str) -> bool:
        """Whether the run has an unread decision whose deadline has not passed."""
        mark = self._marks.get(run_id)
        if mark is None:
            return False
        if mark.deadline <= time.monotonic():
            self._end(run_id)
            return False
        return True

    def read_back(self, run_id: str, record_id: str) -> bool:
        """Whether the record is one of ours; the mark ends with the last of them."""
        mark = self._marks.get(run_id)
        if mark is None or record_id not in mark.ids:
            return False
        mark.ids.discard(record_id)
        if record_id in mark.places:
            self._free(mark.places.pop(record_id))
        if not mark.ids:
            self._end(run_id)
        return True

    async def none(self, within_s: float) -> None:
        """Wait until all are read back, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._none.wait()

    def overdue(self) -> list[str]:
        """Runs whose mark has passed its deadline; their marks end."""
        now = time.monotonic()
        passed = [run_id for run_id, mark in self._marks.items() if mark.deadline <= now]
        for run_id in passed:
            self._end(run_id)
        return passed

    def _end(self, run_id: str) -> None:
        for place in self._marks.pop(run_id).places.values():
            self._free(place)
        if not self._marks:
            self._none.set()

    def _free(self, place: tuple[str, str]) -> None:
        self.placed[place] -= 1
        if not self.placed[place]:
            del self.placed[place]
