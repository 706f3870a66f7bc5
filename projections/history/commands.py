"""Commands: what was published, what the log took in, what was set aside; each has exactly one outcome."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import orjson
from elexirion.events import catalog, run
from elexirion.events.canonical import content_hash
from elexirion.events.codec import UndecodableError
from elexirion.events.dead_letter import Buried, read_dead_letter
from elexirion.projections.history.records import Seen, Written
from elexirion.projections.history.violation import Violation, at_place, at_record
from elexirion.projections.partition import carried_out

Place: TypeAlias = tuple[str, int, int]
"""Topic, partition, offset."""


class Outcomes:
    """The commands of one partition of `events`: each accepted CommandReceived waits for one outcome."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, Seen]] = {}
        self.received = 0

    def take(self, seen: Seen) -> Iterator[Violation]:
        """Take the next record of the partition in."""
        match seen.record.data:
            case run.CommandReceived() as data:
                yield from self._received(seen, data)
            case run.CommandRejected() | run.RunForked() as data:
                yield from self._outcome(seen, data.command_id, data.content_hash)
            case run.RunStarted() as data:
                yield from self._outcome(seen, data.command_id, data.content_hash)
            case data:
                command_id = carried_out(data)
                if command_id is not None:
                    yield from self._outcome(seen, command_id, None)

    def _received(self, seen: Seen, data: run.CommandReceived) -> Iterator[Violation]:
        if not _is_whole(seen, data):
            message = f"what {data.command_type} {data.command_id} says does not have the hash {data.content_hash[:12]}"
            yield at_record("command_altered", seen, message)
        if seen.accepted:
            self.received += 1
            self._waiting.setdefault(data.command_id, {})[data.content_hash] = seen

    def _outcome(self, seen: Seen, command_id: str, content: str | None) -> Iterator[Violation]:
        """Only a rejection and a start say which content they mean; others carry out the first under the id."""
        if not seen.accepted:
            return
        waiting = self._waiting.get(command_id, {})
        named = content if content is not None else next(iter(waiting), None)
        if named is None or waiting.pop(named, None) is None:
            message = f"{seen.record.type} is an outcome of the command {command_id}, which waits for none"
            yield at_record("outcome_twice", seen, message)
        if not waiting:
            self._waiting.pop(command_id, None)

    def waiting(self) -> list[Seen]:
        """Commands without an outcome."""
        return [seen for known in self._waiting.values() for seen in known.values()]


def _is_whole(seen: Seen, data: run.CommandReceived) -> bool:
    """The hash covers the version of the command's type, which the log does not tell."""
    newest = catalog.BY_NAME[data.command_type].version if data.command_type in catalog.BY_NAME else 1
    try:
        said = [content_hash([data.command_type, v, seen.record.run_id, data.command]) for v in range(1, newest + 1)]
    except TypeError:  # deeper than any command that was read from its topic
        return False
    return data.content_hash in said


@dataclass(slots=True)
class _Fate:
    written: Written
    run_id: str | None
    received: bool = False
    buried: bool = False


class Fates:
    """What became of each record of the `commands` topic, by its place."""

    def __init__(self) -> None:
        self._fates: dict[Place, _Fate] = {}
        self._read: dict[tuple[str, int], tuple[int, int]] = {}
        self.dead_letters = 0

    def __len__(self) -> int:
        return len(self._fates)

    def published(self, written: Written) -> None:
        """A record of `commands`."""
        self._fates[(written.topic, written.partition, written.offset)] = _Fate(written.place(), run_of(written))
        first, last = self._read.get((written.topic, written.partition), (written.offset, written.offset))
        self._read[(written.topic, written.partition)] = (min(first, written.offset), max(last, written.offset))

    def buried(self, written: Written) -> None:
        """A record of `dead-letters`; of those that are about another topic nothing is asked here."""
        self.dead_letters += 1
        try:
            said = read_dead_letter(written.value)
        except UndecodableError:
            return
        if isinstance(said, Buried) and (fate := self._fates.get((said.topic, said.partition, said.offset))):
            fate.buried = True

    def took(self, seen: Seen) -> Iterator[Violation]:
        """A record of `events`."""
        data = seen.record.data
        if not isinstance(data, run.CommandReceived):
            return
        fate = self._fates.get((data.topic, data.partition, data.offset))
        if fate is not None:
            fate.received = True
            return
        first, last = self._read.get((data.topic, data.partition), (1, 0))
        if first <= data.offset <= last:
            message = f"{data.command_id} stood at {data.topic}/{data.partition}/{data.offset}, where nothing is"
            yield at_record("command_unknown", seen, message)

    def lost(self) -> list[tuple[Written, str | None]]:
        """Commands that are neither in the log nor set aside, with the run they are for."""
        return [(fate.written, fate.run_id) for fate in self._fates.values() if not (fate.received or fate.buried)]

    def twice(self) -> Iterator[Violation]:
        """Commands that are both."""
        for fate in self._fates.values():
            if fate.received and fate.buried:
                message = "the command is in the log and in the dead letters"
                yield at_place("command_received_and_buried", fate.written, message, fate.run_id)


def run_of(written: Written) -> str | None:
    """The run that a record of `commands` is for, as far as it can be read."""
    try:
        said = orjson.loads(written.value or b"")
    except (orjson.JSONDecodeError, RecursionError):
        return None
    found = said.get("run_id") if isinstance(said, dict) else None
    return found if isinstance(found, str) else None
