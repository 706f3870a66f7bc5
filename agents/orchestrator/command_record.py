"""Reading a command as any client may have written it, and writing it into the log."""

import re
from typing import Any

from elexirion.agents.kafka.reading import broker_time
from elexirion.agents.telemetry import trace_context
from elexirion.events import catalog
from elexirion.events.canonical import content_hash
from elexirion.events.codec import UndecodableError, parse_json, read_document
from elexirion.events.envelope import Record, make_record, utc_now, utc_text
from elexirion.events.identifiers import RUN_ID_PATTERN, received_id
from elexirion.events.run import CommandReceived

_RUN_ID = re.compile(RUN_ID_PATTERN)

MAX_LEVELS = 100
"""How deep a command may be nested: JSON is read to 1,024 levels and written to 254, and events wrap commands."""


def read_command(message: Any, limit_bytes: int) -> Record:
    """The CommandReceived of a message on `commands`; raises UndecodableError saying what is wrong.

    A `traceparent` header becomes the run's correlation, where the command has none of its own, so that whoever
    owns the run later goes on in its caller's trace.

    `version` (1) and `at` (the broker's timestamp) may be left out by a client.
    """
    if message.value is None:
        raise UndecodableError("no value (a tombstone)")
    if len(message.value) > limit_bytes:
        raise UndecodableError(f"{len(message.value)} bytes, the limit is {limit_bytes}")
    document = parse_json(message.value)
    if not isinstance(document, dict):
        raise UndecodableError(f"a JSON object is expected, not {type(document).__name__}")
    if _deeper(document, MAX_LEVELS):
        raise UndecodableError(f"more than {MAX_LEVELS} levels deep")
    said = document.get("at")
    command = read_document({"at": utc_text(broker_time(message)), "version": 1, **document})
    _check(command)
    return _received(message, command, said is not None)


def _deeper(document: Any, levels: int) -> bool:
    """Whether objects and lists are nested deeper than `levels`; walks level by level, never by recursion."""
    level = [document]
    for _ in range(levels):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: Any) -> list[Any]:
    values = outer.values() if isinstance(outer, dict) else outer
    return [value for value in values if isinstance(value, dict | list)]


def _check(command: Record) -> None:
    if command.type not in catalog.COMMAND_NAMES:
        known = ", ".join(sorted(catalog.COMMAND_NAMES))
        raise UndecodableError(f"unknown command type {command.type!r} (known: {known})")
    if not command.known:
        raise UndecodableError(f"{command.type} version {command.version} is not known to this version")
    if not _RUN_ID.fullmatch(command.run_id):
        raise UndecodableError("field `run_id`: letters, digits and . _ ~ - are expected, 128 at most")


def _received(message: Any, command: Record, dated: bool) -> Record:
    data = CommandReceived(
        command_id=command.id,
        content_hash=content_hash([command.type, command.version, command.run_id, command.raw]),
        command_type=command.type,
        command=command.raw,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        issued_at=command.at if dated else None,
        broker_at=broker_time(message),
    )
    return make_record(
        data, id=received_id(command.id, message.topic, message.partition, message.offset),
        run_id=command.run_id, at=utc_now(), causation_id=command.id,
        correlation_id=command.correlation_id or trace_context.given(message.headers) or command.id,
    )  # fmt: skip
