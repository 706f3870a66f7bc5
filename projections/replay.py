"""Replay: a run as it was at any event of its log, and at any chunk between two events.

Chunks travel on a topic of their own, so the log alone does not say between which events they stand. These rules
do; they ask for nothing but what stands on the two topics, so that every reader places a chunk alike:

1. The time of an event is the latest broker timestamp among the accepted events up to it.
2. A chunk stands after the last event whose time is not later than the chunk's own broker timestamp,
3. but never before its execution was started (scheduled, where no start was accepted) nor before the chunk
   that its execution sent before it,
4. and, where its worker ended the execution (StepCompleted, StepFailed), always before that event: the worker
   has sent all text by then.
5. Chunks after the same event are counted from 1 in the order of their topic.

A chunk that was sent twice counts once. A chunk of an execution that the run does not know counts nowhere.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from elexirion.events.envelope import Record, utc_text
from elexirion.events.step import StepChunk, StepCompleted, StepFailed, StepScheduled, StepStarted
from elexirion.projections.context import context_of
from elexirion.projections.context_diff import Difference, change_of_context
from elexirion.projections.run_fold import RunFold
from elexirion.projections.run_state import RunState
from elexirion.projections.step_state import Execution
from elexirion.projections.told import in_words

Logged: TypeAlias = tuple[Record, datetime]
"""A record of `events` with its broker timestamp."""
Streamed: TypeAlias = tuple[StepChunk, datetime]
"""A chunk with its broker timestamp."""

Standing = Literal["open", "completed", "superseded"]

_AT = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?")


class PositionError(LookupError):
    """The run has no such position; the message says which there are."""


@dataclass(frozen=True, slots=True)
class At:
    """A position: after the `event`-th accepted record, counted from 1, and after `chunk` chunks that follow it."""

    event: int
    chunk: int = 0

    @classmethod
    def parse(cls, text: str) -> "At":
        """Read `N` or `N.k`; raises ValueError for anything else."""
        match = _AT.fullmatch(text)
        if match is None:
            raise ValueError(f"not a position: {text!r} (a whole number, or one with the number of a chunk: 7, 7.3)")
        return cls(int(match[1]), int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.event}.{self.chunk}" if self.chunk else str(self.event)


@dataclass(frozen=True, slots=True)
class ExecutionText:
    """What an execution had streamed. `superseded`: the execution was given up, its text is no part of a result.

    `missing` counts chunks that lie between those that were read: their retention has passed.
    """

    execution_id: str
    step: str
    standing: Standing
    chunks: int
    missing: int
    text: str

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "execution_id": self.execution_id, "step": self.step, "standing": self.standing,
            "chunks": self.chunks, "missing": self.missing, "text": self.text,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted record of a run, the run before and after it, and the chunks that stand after it."""

    record: Record
    logged_at: datetime
    before: RunState | None
    state: RunState
    chunks: tuple[StepChunk, ...] = ()

    @property
    def changes(self) -> tuple[Difference, ...]:
        """What the record changed in the context."""
        return change_of_context(self.before, self.state)

    def document(self) -> dict[str, Any]:
        """As plain JSON, without the context."""
        return {
            "position": self.state.position, "at": utc_text(self.record.at), "type": self.record.type,
            "id": self.record.id, "about": in_words(self.record), "chunks": len(self.chunks),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """A run at one position: `event` is the last one up to it, `chunk` the last chunk after that event, if any.

    `texts` has every execution that had streamed something by then, in the order of their first chunks.
    """

    at: At
    event: Event
    chunk: StepChunk | None
    texts: tuple[ExecutionText, ...]

    @property
    def context(self) -> dict[str, Any]:
        """The context; chunks are no part of it."""
        return context_of(self.event.state)

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "run_id": self.event.state.run_id,
            "position": str(self.at),
            "event": self.event.document(),
            "chunk": self.chunk.model_dump() if self.chunk else None,
            "changes": [difference.document() for difference in self.event.changes],
            "texts": [text.document() for text in self.texts],
            "context": self.context,
        }


@dataclass(frozen=True, slots=True)
class Recording:
    """All accepted records of a run in order, with the chunks where they stand; `events[0]` is position 1."""

    events: tuple[Event, ...]

    def moment(self, at: At) -> Moment:
        """The run at a position; raises PositionError."""
        if not 1 <= at.event <= len(self.events):
            raise PositionError(_no_such_event(at, len(self.events)))
        event = self.events[at.event - 1]
        if at.chunk > len(event.chunks):
            raise PositionError(_no_such_chunk(at, len(event.chunks)))
        streamed = [chunk for earlier in self.events[: at.event - 1] for chunk in earlier.chunks]
        streamed += event.chunks[: at.chunk]
        return Moment(at, event, event.chunks[at.chunk - 1] if at.chunk else None, _texts(streamed, event.state))


def recording_of(records: Iterable[Logged], chunks: Iterable[Streamed] = ()) -> Recording:
    """A run's records and chunks, each in the order of its topic; refused records have no position."""
    fold = RunFold()
    events: list[Event] = []
    for record, logged_at in records:
        before = fold.state
        if fold.take(record, logged_at) is None and fold.state is not None and fold.state is not before:
            events.append(Event(record, logged_at, before, fold.state))
    standing = _placed(events, chunks)
    return Recording(tuple(_with_chunks(event, standing.get(index)) for index, event in enumerate(events)))


def replay(records: Iterable[Logged], chunks: Iterable[Streamed], at: At) -> Moment:
    """The run at one position; raises PositionError."""
    return recording_of(records, chunks).moment(at)


# Placing chunks -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Bounds:
    """Between which events (by index) an execution's chunks stand; `seen` is the number of the last one placed."""

    first: int
    last: int
    started: bool = False
    seen: int = 0


def _placed(events: Sequence[Event], chunks: Iterable[Streamed]) -> dict[int, list[StepChunk]]:
    bounds = _bounds_of(events)
    times = _times_of(events)
    standing: dict[int, list[StepChunk]] = {}
    for chunk, at in chunks:
        limits = bounds.get(chunk.execution_id)
        if limits is None or chunk.n <= limits.seen:
            continue
        place = max(limits.first, min(limits.last, bisect_right(times, at) - 1))
        limits.first, limits.seen = place, chunk.n
        standing.setdefault(place, []).append(chunk)
    return standing


def _bounds_of(events: Sequence[Event]) -> dict[str, _Bounds]:
    found: dict[str, _Bounds] = {}
    for index, event in enumerate(events):
        match event.record.data:
            case StepScheduled(execution_id=id):
                found[id] = _Bounds(index, len(events) - 1)
            case StepStarted(execution_id=id) if not found[id].started:
                found[id].first, found[id].started = index, True
            case StepCompleted(execution_id=id) | StepFailed(execution_id=id):
                found[id].last = index - 1
            case _:
                pass
    return found


def _times_of(events: Sequence[Event]) -> list[datetime]:
    times: list[datetime] = []
    for event in events:
        times.append(max(event.logged_at, times[-1]) if times else event.logged_at)
    return times


def _with_chunks(event: Event, chunks: list[StepChunk] | None) -> Event:
    return Event(event.record, event.logged_at, event.before, event.state, tuple(chunks)) if chunks else event


# Text at a moment ---------------------------------------------------------------------------------------


def _texts(chunks: Sequence[StepChunk], state: RunState) -> tuple[ExecutionText, ...]:
    streamed: dict[str, list[StepChunk]] = {}
    for chunk in chunks:
        streamed.setdefault(chunk.execution_id, []).append(chunk)
    return tuple(_text(state.executions[id], pieces) for id, pieces in streamed.items())


def _text(execution: Execution, pieces: Sequence[StepChunk]) -> ExecutionText:
    return ExecutionText(
        execution_id=execution.id, step=execution.step, standing=_standing(execution), chunks=len(pieces),
        missing=pieces[-1].n - len(pieces), text="".join(piece.text for piece in pieces),
    )  # fmt: skip


def _standing(execution: Execution) -> Standing:
    if execution.open:
        return "open"
    return "completed" if execution.closed_by == "completed" else "superseded"


def _no_such_event(at: At, events: int) -> str:
    if not events:
        return "the run has no positions: no RunStarted of it was accepted"
    return f"there is no position {at}: the run has the positions 1 to {events}"


def _no_such_chunk(at: At, chunks: int) -> str:
    if not chunks:
        return f"there is no position {at}: no chunk stands after event {at.event}"
    return f"there is no position {at}: the chunks after event {at.event} are {at.event}.1 to {at.event}.{chunks}"
