"""A dead letter: what could not be read, where it stood, and why."""

import base64
from dataclasses import dataclass

import orjson

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
