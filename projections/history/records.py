"""What the history checker reads: records as they stand on the topics, and calls as providers saw them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from elexirion.events.envelope import Record
from elexirion.projections.admission import Refusal
from elexirion.projections.run_state import RunState


@dataclass(frozen=True, slots=True)
class Written:
    """A record of a topic. `at` is its broker timestamp; `author` the incarnation or client that wrote it, if known."""

    topic: str
    partition: int
    offset: int
    at: datetime
    value: bytes | None = field(repr=False)
    key: bytes | None = None
    author: str | None = None

    def place(self) -> "Written":
        """Where and when it was written, without what: small enough to keep."""
        return Written(self.topic, self.partition, self.offset, self.at, None)


@dataclass(frozen=True, slots=True)
class Call:
    """A provider call as the provider saw it: the `Idempotency-Key` it came with."""

    call_id: str
    provider: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """All that is there of some runs; the records of each partition in the order of their offsets.

    `calls` is what providers were asked, None where nobody kept a ledger. `at_rest` says that nothing is under way
    any more: every run has ended, every command has its outcome. `chunks_gone`: the oldest chunks are not kept.
    """

    events: Iterable[Written]
    commands: Iterable[Written] = ()
    chunks: Iterable[Written] = ()
    dead_letters: Iterable[Written] = ()
    calls: Iterable[Call] | None = None
    at_rest: bool = False
    chunks_gone: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A record of `events` with what the fold said of it, and its run before and after."""

    written: Written
    record: Record
    refused: Refusal | None
    before: RunState | None
    after: RunState | None

    @property
    def accepted(self) -> bool:
        """Whether it counts."""
        return self.refused is None
