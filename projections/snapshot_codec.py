"""The parts of a folded partition as JSON and back: exactly, or not at all.

The types of the fold say how: a new field of a state needs no line here. What was written by a program with other
types, other records or another fold has another FORMAT and is not read.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from elexirion.events import catalog, codec
from elexirion.events.canonical import content_hash
from elexirion.events.run import CommandReceived
from elexirion.projections.partition import EndedRun, ForkedRun, HeldRun, PendingCommand
from elexirion.projections.run_state import RunState
from elexirion.projections.tally import Tally
from elexirion.projections.tally_codec import tally_to_json
from pydantic import TypeAdapter

FOLD_VERSION = 2
"""One more whenever the fold makes another state of the same log while the types of the state stay as they are."""

Commands: TypeAlias = list[tuple[str, str, datetime]]
"""Command id, content hash, and when it was received by the broker's clock."""

_RUN: TypeAdapter[RunState] = TypeAdapter(RunState)
_ENDED: TypeAdapter[list[EndedRun]] = TypeAdapter(list[EndedRun])
_COMMANDS: TypeAdapter[Commands] = TypeAdapter(Commands)
_HELD: TypeAdapter[list[HeldRun]] = TypeAdapter(list[HeldRun])
_FORKED: TypeAdapter[list[ForkedRun]] = TypeAdapter(list[ForkedRun])


@lru_cache(maxsize=1)
def format_id() -> str:
    """The FORMAT: a digest of the version of the fold, of all types in a state, and of all records it knows."""
    types = [_plain(adapter.json_schema()) for adapter in (_RUN, _ENDED, _HELD, _FORKED)]
    records = [[entry.name, entry.version] for entry in catalog.ALL if entry.family == "events"]
    return f"{FOLD_VERSION}-{content_hash([types, sorted(tally_to_json(Tally())), records])[:10]}"


def _plain(schema: Any) -> Any:
    """A schema without what is said to people, which changes no state."""
    match schema:
        case dict():
            return {key: _plain(value) for key, value in schema.items() if key not in ("description", "title")}
        case list():
            return [_plain(value) for value in schema]
        case _:
            return schema


def encode_run(state: RunState) -> bytes:
    """An open run."""
    return _RUN.dump_json(state)


def decode_run(value: bytes) -> RunState:
    """An open run; raises ValueError."""
    return _RUN.validate_json(value)


def encode_ended(ended: list[EndedRun]) -> bytes:
    """What is remembered of some runs that ended."""
    return _ENDED.dump_json(ended)


def decode_ended(value: bytes) -> list[EndedRun]:
    """As `encode_ended` wrote it; raises ValueError."""
    return _ENDED.validate_json(value)


def encode_commands(commands: Commands) -> bytes:
    """Some of the remembered commands."""
    return _COMMANDS.dump_json(commands)


def decode_commands(value: bytes) -> Commands:
    """As `encode_commands` wrote it; raises ValueError."""
    return _COMMANDS.validate_json(value)


def held_to_json(held: list[HeldRun]) -> Any:
    """Runs of a newer program."""
    return _HELD.dump_python(held, mode="json")


def forked_to_json(forked: list[ForkedRun]) -> Any:
    """Runs that others were asked to take results from."""
    return _FORKED.dump_python(forked, mode="json")


def forked_from_json(document: Any) -> list[ForkedRun]:
    """As `forked_to_json` wrote it; raises ValueError."""
    return _FORKED.validate_python(document)


def held_from_json(document: Any) -> list[HeldRun]:
    """As `held_to_json` wrote it; raises ValueError."""
    return _HELD.validate_python(document)


def pending_to_json(key: str, command: PendingCommand) -> list[Any]:
    """A command without outcome: the record itself, as it stands in the log."""
    return [key, command.conflicts, codec.encode(command.record).decode()]


def pending_from_json(document: Any) -> tuple[str, PendingCommand]:
    """As `pending_to_json` wrote it; raises ValueError."""
    key, conflicts, text = document
    record = codec.decode(text.encode())
    if not isinstance(record.data, CommandReceived):
        raise ValueError(f"a command is expected, not {record.type}")
    return key, PendingCommand(record.run_id, record, record.data, conflicts)
