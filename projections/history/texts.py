"""Streamed text of one partition: chunks are gapless and joined are what the result says they are."""

import hashlib
import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from elexirion.events.codec import UndecodableError, decode
from elexirion.events.identifiers import ExecutionId
from elexirion.events.step import StepChunk
from elexirion.projections.history.records import Written
from elexirion.projections.history.run_history import Execution
from elexirion.projections.history.violation import Violation, at_place

SKEW = timedelta(seconds=5)
"""How far a worker's clock may jump between what it writes, before a chunk is said to be out of time."""


@dataclass(slots=True)
class Text:
    """What an execution streamed: `count` chunks without a gap from `begins` on, with a short sum of each."""

    run_id: str
    begins: int
    first: Written
    count: int = 0
    last_at: datetime | None = None
    gap: bool = False
    sums: "array[int]" = field(default_factory=lambda: array("I"))
    joined: Any = field(default_factory=hashlib.sha256)


class Texts:
    """Takes the chunks of one partition; holds sums and hashes, no text."""

    def __init__(self) -> None:
        self.texts: dict[str, Text] = {}
        self.chunks = 0
        self.unreadable = 0

    def take(self, written: Written) -> Iterator[Violation]:
        """Take the next chunk in; where one is missing before it, or it is another than before."""
        try:
            record = decode(written.value)
        except UndecodableError:
            self.unreadable += 1
            return
        if not isinstance(record.data, StepChunk):
            return
        self.chunks += 1
        first = Text(record.run_id, record.data.n, written.place())
        yield from _next(self.texts.setdefault(record.data.execution_id, first), record.data, written)


def _next(text: Text, chunk: StepChunk, written: Written) -> Iterator[Violation]:
    text.last_at, index = written.at, chunk.n - text.begins
    encoded = chunk.text.encode()
    if 0 <= index < len(text.sums):
        if text.sums[index] != zlib.crc32(encoded):
            message = f"chunk {chunk.n} of {chunk.execution_id} was there before, with another text"
            yield at_place("chunk_altered", written, message, text.run_id)
    elif text.gap:
        return  # said once; what follows a gap tells no more
    elif index != len(text.sums):
        text.gap = True
        message = f"chunk {chunk.n} of {chunk.execution_id} follows chunk {text.begins + len(text.sums) - 1}"
        yield at_place("chunk_missing", written, message, text.run_id)
    else:
        text.sums.append(zlib.crc32(encoded))
        text.count += 1
        text.joined.update(encoded)


def broken_texts(
    texts: Mapping[str, Text], executions: Mapping[str, Execution], latest: datetime, *, whole: bool, gone: bool
) -> Iterator[Violation]:
    """What the chunks of a partition and its events say of each other.

    `latest` is the newest time in the events: a chunk after it may belong to what was scheduled since, unless
    `whole`. `gone`: the oldest chunks are not kept any more, so that a text may lack its beginning.
    """
    for id, text in texts.items():
        execution = executions.get(id)
        if execution is not None:
            yield from _broken_text(id, text, execution, gone=gone)
        elif whole or text.first.at <= latest:
            message = f"{text.count} chunks of {id}, which no accepted StepScheduled names"
            yield at_place("chunk_unscheduled", text.first, message, text.run_id)
    for id, execution in executions.items():
        if execution.chunks and id not in texts and not gone:
            yield _missing(id, execution, 0)


def _broken_text(id: str, text: Text, execution: Execution, *, gone: bool) -> Iterator[Violation]:
    if text.begins > 1 and not gone:
        message = f"the first chunk of {id} is number {text.begins}"
        yield at_place("chunk_missing", text.first, message, text.run_id)
    elif text.begins == 1 and not text.gap and execution.result is not None:
        yield from _differs(id, text, execution)
    yield from _out_of_time(id, text, execution)


def _differs(id: str, text: Text, execution: Execution) -> Iterator[Violation]:
    assert execution.result is not None
    if text.count < (execution.chunks or 0):
        yield _missing(id, execution, text.count)
    elif text.joined.hexdigest() != execution.text_sha256:
        message = f"{text.count} chunks of {id} have the hash {text.joined.hexdigest()[:12]}, its result says "
        message += f"{(execution.text_sha256 or 'that there is no text')[:22]}"
        yield at_place("text_differs", execution.result, message, text.run_id)


def _missing(id: str, execution: Execution, found: int) -> Violation:
    assert execution.result is not None
    message = f"{id} streamed {execution.chunks} chunks, {found} are there"
    return at_place("chunk_missing", execution.result, message, ExecutionId.parse(id).run_id)


def _out_of_time(id: str, text: Text, execution: Execution) -> Iterator[Violation]:
    """All of it was written by one worker, with one clock, between its StepStarted and its result."""
    if execution.started_at is not None and text.first.at < execution.started_at - SKEW:
        yield at_place("chunk_out_of_time", text.first, f"text of {id} is older than its start", text.run_id)
    if execution.result is not None and text.last_at is not None and text.last_at > execution.result.at + SKEW:
        yield at_place("chunk_out_of_time", text.first, f"text of {id} is newer than its result", text.run_id)
