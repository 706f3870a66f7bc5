"""A snapshot of a folded partition: taken at an offset, restored, and compared with what a fold says."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import orjson
from elexirion.projections import snapshot_codec as codec
from elexirion.projections.partition import PartitionFold
from elexirion.projections.run_state import RunState
from elexirion.projections.snapshot_contents import (
    PAGE,
    Contents,
    Remembered,
    page_name,
    partition_name,
    run_name,
    version_of,
)
from elexirion.projections.tally import Tally
from elexirion.projections.tally_codec import tally_from_json, tally_to_json

Entry = TypeVar("Entry")


class SnapshotUnusableError(Exception):
    """The documents do not make a snapshot; says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot that is to be written: the documents that are new, and last the one that lists them all.

    States are never changed, so that each can be encoded when its turn comes.
    """

    contents: Contents
    documents: list[tuple[str, Callable[[], bytes]]]


@dataclass(frozen=True, slots=True)
class Restored:
    """A partition as it was at `contents.offset`; `log_partitions` is how many partitions `events` had."""

    fold: PartitionFold
    tally: Tally
    contents: Contents
    log_partitions: int


# Taking ---------------------------------------------------------------------------------------------------


def take(fold: PartitionFold, tally: Tally, log_partitions: int, before: Contents | None = None) -> Taken:
    """The snapshot of the partition as it stands; `before` is what was written of it already."""
    contents = Contents(
        fold.next_offset,
        {run_id: version_of(state) for run_id, state in fold.runs.items()},
        _remembered(fold.forgotten_commands, fold.commands),
        _remembered(fold.forgotten_ended, fold.ended),
    )
    written = set(before.names()) if before else set[str]()
    commands = _pages("commands", contents.commands, fold.commands.items(), written, _commands)
    ended = _pages("ended", contents.ended, fold.ended.values(), written, codec.encode_ended)
    runs = [
        (name, partial(codec.encode_run, state))
        for name, state in _named_runs(fold, contents)
        if name not in written
    ]  # fmt: skip
    listing = _listing(fold, tally, log_partitions, contents)
    return Taken(contents, [*runs, *commands, *ended, (partition_name(contents.offset), lambda: listing)])


def _named_runs(fold: PartitionFold, contents: Contents) -> list[tuple[str, RunState]]:
    return [(run_name(run_id, contents.runs[run_id]), state) for run_id, state in fold.runs.items()]


def _remembered(forgotten: int, entries: Mapping[str, Any]) -> Remembered:
    return Remembered(forgotten, forgotten + len(entries))


def _commands(entries: list[tuple[str, tuple[str, datetime]]]) -> bytes:
    return codec.encode_commands([(key, content, at) for key, (content, at) in entries])


def _pages(
    kind: str, remembered: Remembered, entries: Any, written: set[str], encode: Callable[[list[Any]], bytes]
) -> list[tuple[str, Callable[[], bytes]]]:
    """The pages that are new. They are the last ones: entries are only added at the end."""
    new = [page for page in remembered.pages() if page_name(kind, *page) not in written]
    if not new:
        return []
    start = max(new[0][0] * PAGE, remembered.first)
    last = list(islice(reversed(entries), remembered.end - start))[::-1]
    return [
        (page_name(kind, index, end), partial(encode, last[max(index * PAGE, start) - start : end - start]))
        for index, end in new
    ]


def _listing(fold: PartitionFold, tally: Tally, log_partitions: int, contents: Contents) -> bytes:
    """Encoded at once: the tally goes on."""
    return orjson.dumps(
        {
            "partition": fold.partition, "log_partitions": log_partitions, "offset": contents.offset,
            "last_offset": fold.last_offset, "last_id": fold.last_id, "latest": fold.latest.isoformat(),
            "refused": fold.refused, "runs": list(contents.runs.items()),
            "commands": [contents.commands.first, contents.commands.end],
            "ended": [contents.ended.first, contents.ended.end],
            "pending": [codec.pending_to_json(key, command) for key, command in fold.pending.items()],
            "forked": codec.forked_to_json(list(fold.forked.values())),
            "held": codec.held_to_json(list(fold.held.values())), "broken": fold.broken, "tally": tally_to_json(tally),
        }
    )  # fmt: skip


# Restoring ------------------------------------------------------------------------------------------------


def restore(name: str, documents: Mapping[str, bytes]) -> Restored:
    """The partition that the snapshot of this name holds; raises SnapshotUnusableError."""
    try:
        return _restore(name, documents)
    except KeyError as error:
        raise SnapshotUnusableError(f"{error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SnapshotUnusableError(f"{name} cannot be read: {type(error).__name__}") from error


def _restore(name: str, documents: Mapping[str, bytes]) -> Restored:
    listing = orjson.loads(documents[name])
    contents = Contents(
        listing["offset"], dict(listing["runs"]), Remembered(*listing["commands"]), Remembered(*listing["ended"])
    )
    fold = PartitionFold(
        listing["partition"], contents.offset,
        runs={run_id: _run(run_name(run_id, version), version, documents) for run_id, version in contents.runs.items()},
        ended={
            one.run_id: one for one in _entries("ended", contents.ended, documents, codec.decode_ended)
        },
        commands={
            key: (content, at)
            for key, content, at in _entries("commands", contents.commands, documents, codec.decode_commands)
        },
        pending=dict(codec.pending_from_json(one) for one in listing["pending"]),
        forked={one.data.command_id: one for one in codec.forked_from_json(listing["forked"])},
        held={one.run_id: one for one in codec.held_from_json(listing["held"])},
        latest=datetime.fromisoformat(listing["latest"]), refused=listing["refused"],
        broken=listing["broken"], last_offset=listing["last_offset"], last_id=listing["last_id"],
        forgotten_commands=contents.commands.first, forgotten_ended=contents.ended.first,
    )  # fmt: skip
    return Restored(fold, tally_from_json(listing["tally"]), contents, listing["log_partitions"])


def _run(name: str, version: str, documents: Mapping[str, bytes]) -> RunState:
    state = codec.decode_run(documents[name])
    if version_of(state) != version:
        raise ValueError(name)
    return state


def _entries(
    kind: str, remembered: Remembered, documents: Mapping[str, bytes], decode: Callable[[bytes], list[Entry]]
) -> Iterable[Entry]:
    """All that is remembered; a page may hold entries in front that were forgotten after it was written."""
    for index, end in remembered.pages():
        page = decode(documents[page_name(kind, index, end)])
        wanted = end - max(index * PAGE, remembered.first)
        if len(page) < wanted:
            raise ValueError(page_name(kind, index, end))
        yield from page[len(page) - wanted :]


# Comparing ------------------------------------------------------------------------------------------------


def differences(one: PartitionFold, other: PartitionFold) -> list[str]:
    """Where two folds of the same partition differ, one line each; none where a snapshot is what the log says.

    The order in which runs and commands came is part of the state.
    """
    found = []
    for each in fields(PartitionFold):
        mine, theirs = getattr(one, each.name), getattr(other, each.name)
        if isinstance(mine, dict):
            found += _differing(each.name, mine, theirs)
        elif mine != theirs:
            found.append(f"{each.name}: {mine} and {theirs}")
    return found


def _differing(name: str, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    keys = {key: None for key in (*mine, *theirs) if key not in mine or key not in theirs or mine[key] != theirs[key]}
    if not keys and list(mine) != list(theirs):
        return [f"{name}: in another order"]
    return [f"{name}: {key}{_parts(mine.get(key), theirs.get(key))}" for key in keys]


def _parts(one: Any, other: Any) -> str:
    """Which fields of two states of one kind differ; nothing to say where one of them is missing."""
    if not is_dataclass(one) or type(one) is not type(other):
        return ""
    names = [each.name for each in fields(one) if getattr(one, each.name) != getattr(other, each.name)]
    return f" ({', '.join(names)})"
