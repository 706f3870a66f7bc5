"""An export as a history for the checker: the lines of `elexirion export --all --chunks`."""

from collections.abc import Iterable
from typing import Any

import orjson
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.step import StepChunk
from elexirion.projections.history.records import History, Written


def history_of_export(lines: Iterable[bytes], *, at_rest: bool = False) -> History:
    """The history that an export tells of; a record's own time stands in for the broker's.

    Raises UndecodableError naming the line that is no record, ValueError where the commands are not in it.
    """
    events: list[Written] = []
    chunks: list[Written] = []
    commands = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        value, record = _record(line, number)
        commands = commands or (record is not None and record.type == "CommandReceived")
        topic, track = ("chunks", chunks) if record and isinstance(record.data, StepChunk) else ("events", events)
        at = record.at if record else (events[-1].at if events else None)
        if at is not None:
            track.append(Written(topic, 0, number, at, value))
    if events and not commands:
        raise ValueError("the export holds no commands, without which nothing says why its run counts")
    return History(events=events, chunks=chunks, at_rest=at_rest, chunks_gone=not chunks)


def _record(line: bytes, number: int) -> tuple[bytes, Any]:
    """A line's record as bytes, and read where it can be: one marked as refused may be anything."""
    try:
        document = orjson.loads(line)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise UndecodableError(f"line {number} is no JSON: {error}") from error
    if isinstance(document, dict) and {"refused", "record"} <= document.keys():
        said = document["record"]
        value = said.encode() if isinstance(said, str) else orjson.dumps(said)
        try:
            return value, decode(value)
        except UndecodableError:
            return value, None
    try:
        return line, decode(line)
    except UndecodableError as error:
        raise UndecodableError(f"line {number}: {error}") from error
