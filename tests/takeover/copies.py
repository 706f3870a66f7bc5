"""A recorded run as it would stand in the log had it been another one, at another time.

Texts that name the run name the copy, times are moved, and what is made of other things is made anew: places of
commands, content hashes, ids of decisions and their chain, the hash that an end carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from elexirion.events.canonical import content_hash
from elexirion.events.codec import read_document
from elexirion.events.envelope import Record, utc_text
from elexirion.events.identifiers import decision_id, received_id
from elexirion.projections.context import hash_after
from elexirion.projections.history.records import Written
from elexirion.projections.run_state import RunState

from tests.takeover.recorded_runs import Recording

_TIME = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z"')

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Copy:
    """One record of the copy, when the broker had it, and who wrote it."""

    record: Record
    at: datetime
    author: str


class RunCopy:
    """The copy of a run: first its command, then its events one by one, each made of the run before it."""

    def __init__(self, recording: Recording, run_id: str, ends_at: datetime, until: str | None = None) -> None:
        assert len(run_id) == len(recording.run_id), "nothing else of a record may change"
        self.run_id = run_id
        self._recording = recording
        self._events = recording.events[: _length(recording, until)]
        later = ends_at - self._events[-1].at
        self._later = later - later % MILLISECOND  # the broker's times are no more precise
        self._ids: dict[str, str] = {}
        self._hash = ""

    def command(self) -> Copy:
        """The StartRun, for `commands`."""
        return self._copy(self._recording.command)

    def __len__(self) -> int:
        return len(self._events)

    def chunks(self) -> Iterator[Copy]:
        """All chunks of executions that the copy has."""
        return map(self._copy, self._recording.chunks[: self._recording.chunks_until[len(self._events)]])

    def event(self, number: int, state: RunState | None, partition: int, offset: int) -> Copy:
        """The event of this number; `state` is the run before it, and the command stands at partition and offset."""
        copy = self._copy(self._events[number])
        record = copy.record
        if record.type == "CommandReceived":
            record = self._received(record, partition, offset)
        elif record.seq is not None:
            record = self._decision(record, state, copy.author)
        self._ids[copy.record.id] = record.id
        return replace(copy, record=record)

    def _copy(self, written: Written) -> Copy:
        record = read_document(self._document(written))
        causation_id = self._ids.get(record.causation_id or "", record.causation_id)
        record = replace(record, causation_id=causation_id, prev=self._ids.get(record.prev or "", record.prev))
        return Copy(record, written.at + self._later, written.author or "")

    def _document(self, written: Written) -> dict[str, Any]:
        assert written.value is not None
        text = written.value.replace(self._recording.run_id.encode(), self.run_id.encode())
        document: dict[str, Any] = orjson.loads(_TIME.sub(self._moved, text))
        return document

    def _moved(self, time: re.Match[bytes]) -> bytes:
        """A time in a record, written as precisely as it was."""
        moved = utc_text(datetime.fromisoformat(time[1].decode()).replace(tzinfo=UTC) + self._later)
        return f'"{moved}"'.encode() if b"." in time[1] else f'"{moved[:19]}Z"'.encode()

    def _received(self, record: Record, partition: int, offset: int) -> Record:
        raw = record.raw
        self._hash = content_hash([raw["command_type"], 1, record.run_id, raw["command"]])
        said = {**raw, "partition": partition, "offset": offset, "content_hash": self._hash}
        return _said(record, received_id(raw["command_id"], raw["topic"], partition, offset), said)

    def _decision(self, record: Record, state: RunState | None, author: str) -> Record:
        said = dict(record.raw)
        if "content_hash" in said:
            said["content_hash"] = self._hash
        if "context_hash" in said:
            assert state is not None
            said["context_hash"] = hash_after(state, _said(record, record.id, said))
        at = utc_text(record.at)
        id = decision_id(record.run_id, record.seq or 0, record.prev, author, at, [record.type, said])
        return _said(record, id, said)


def _length(recording: Recording, until: str | None) -> int:
    """How many events there are up to the first one of this type."""
    if until is None:
        return len(recording.events)
    types = [orjson.loads(one.value or b"")["type"] for one in recording.events]
    return types.index(until) + 1


def _said(record: Record, id: str, raw: dict[str, Any]) -> Record:
    assert not isinstance(record.data, type(None))
    model = type(record.data)
    data = model.model_validate(raw) if hasattr(model, "model_validate") else record.data
    return replace(record, id=id, raw=raw, data=data)
