"""A dead letter: what could not be read, where it stood, and why; and the mark that it was sent again."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import orjson
from elexirion.events.codec import UndecodableError, parse_json
from elexirion.events.envelope import utc_text

EXCERPT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record nobody could read. `value` is kept up to EXCERPT_BYTES bytes; `size` is its whole length."""

    topic: str
    partition: int
    offset: int
    reason: str
    key: bytes | None
    value: bytes

    def encode(self) -> bytes:
        """The JSON value on `dead-letters`; bytes that are no UTF-8 stand as base64."""
        excerpt = self.value[:EXCERPT_BYTES]
        try:
            shown, encoding = excerpt.decode(), "utf-8"
        except UnicodeDecodeError:
            shown, encoding = base64.b64encode(excerpt).decode(), "base64"
        return orjson.dumps(
            {
                "type": "DeadLetter",
                "version": 1,
                "topic": self.topic,
                "partition": self.partition,
                "offset": self.offset,
                "reason": self.reason,
                "size": len(self.value),
                "value": shown,
                "encoding": encoding,
            }
        )


@dataclass(frozen=True, slots=True)
class Buried:
    """A dead letter as it is read: `value` is what it holds of the record's `size` bytes."""

    topic: str
    partition: int
    offset: int
    reason: str
    size: int
    value: bytes

    @property
    def whole(self) -> bool:
        """Whether it holds all of the record."""
        return len(self.value) == self.size


@dataclass(frozen=True, slots=True)
class Redriven:
    """A dead letter was sent again: the letter's place on `dead-letters`, and the place of the new record."""

    letter_partition: int
    letter_offset: int
    topic: str
    partition: int
    offset: int
    at: datetime

    def encode(self) -> bytes:
        """The JSON value on `dead-letters`."""
        return orjson.dumps(
            {
                "type": "DeadLetterRedriven",
                "version": 1,
                "letter_partition": self.letter_partition,
                "letter_offset": self.letter_offset,
                "topic": self.topic,
                "partition": self.partition,
                "offset": self.offset,
                "at": utc_text(self.at),
            }
        )


OnDeadLetters: TypeAlias = Buried | Redriven


def read_dead_letter(value: bytes | None) -> OnDeadLetters:
    """A record of `dead-letters`; raises UndecodableError for anything else."""
    document = parse_json(value or b"")
    if not isinstance(document, dict):
        raise UndecodableError("a JSON object is expected")
    try:
        return _buried(document) if document.get("type") == "DeadLetter" else _redriven(document)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UndecodableError(f"no dead letter: {error!r}") from error


def _buried(said: dict[str, Any]) -> Buried:
    text = str(said["value"])
    value = base64.b64decode(text, validate=True) if said["encoding"] == "base64" else text.encode()
    return Buried(
        str(said["topic"]), int(said["partition"]), int(said["offset"]), str(said["reason"]), int(said["size"]), value
    )


def _redriven(said: dict[str, Any]) -> Redriven:
    if said.get("type") != "DeadLetterRedriven":
        raise ValueError(f"unknown type {said.get('type')!r}")
    return Redriven(
        int(said["letter_partition"]), int(said["letter_offset"]), str(said["topic"]), int(said["partition"]),
        int(said["offset"]), datetime.fromisoformat(str(said["at"])),
    )  # fmt: skip
