"""Streamed text: each chunk once, in order, and marked where its execution no longer counts."""

from dataclasses import dataclass

from elexirion.client.run_log import Entry
from elexirion.events.step import StepChunk, StepCompleted, StepFailed
from elexirion.projections.run_state import RunState


@dataclass(frozen=True, slots=True)
class Chunk:
    """The n-th piece (from 1) of an execution's text.

    `superseded`: the execution was given up (its worker died, it was too slow, it failed), so that its text is
    no part of a result. An execution can be superseded after its chunks were seen; the text of the execution
    that takes its place begins with n = 1 again.
    """

    execution_id: str
    step: str
    n: int
    text: str
    superseded: bool


class ChunkDesk:
    """Holds chunks back until the log has told of their execution: they travel on another topic."""

    def __init__(self) -> None:
        self._waiting: list[StepChunk] = []
        self._last: dict[str, int] = {}

    def take(self, chunk: StepChunk) -> None:
        """Note a chunk; one that was sent twice counts once."""
        if chunk.n > self._last.get(chunk.execution_id, 0):
            self._last[chunk.execution_id] = chunk.n
            self._waiting.append(chunk)

    def lacks(self, entry: Entry) -> bool:
        """Whether the record ends an execution and counts more chunks of it than were noted."""
        data = entry.record.data if entry.record and entry.of_run else None
        if not isinstance(data, StepCompleted | StepFailed):
            return False
        return self._last.get(data.execution_id, 0) < data.chunks

    def known(self, state: RunState | None) -> list[Chunk]:
        """The noted chunks whose execution the run knows; all of them once it has ended."""
        if state is None or not self._waiting:
            return []
        ready = [chunk for chunk in self._waiting if state.ended or chunk.execution_id in state.executions]
        self._waiting = [chunk for chunk in self._waiting if chunk not in ready]
        return [_chunk(state, chunk) for chunk in ready]


def superseded(state: RunState, execution_id: str) -> bool:
    """Whether the execution was closed by anything but its result."""
    execution = state.executions.get(execution_id)
    return execution is None or execution.closed_by not in (None, "completed")


def _chunk(state: RunState, chunk: StepChunk) -> Chunk:
    execution = state.executions.get(chunk.execution_id)
    step = execution.step if execution else chunk.execution_id.partition("/")[2].rpartition("#")[0]
    return Chunk(chunk.execution_id, step, chunk.n, chunk.text, superseded(state, chunk.execution_id))
