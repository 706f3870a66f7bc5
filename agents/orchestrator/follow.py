"""Following the log: one record in, what the fold said of it, and what has to happen because of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka.reading import broker_time
from elexirion.events import run, step
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.codec import UndecodableError, decode, encode
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.projections.admission import closes_an_execution
from elexirion.projections.changes import left_by
from elexirion.projections.partition import Accepted, PartitionFold, Refused, Verdict
from elexirion.projections.run_state import RunState

CLOSES_ALL = TERMINAL_NAMES | {"ErrorHandlingStarted"}
"""Records after which no execution that was open before counts any more."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Followed:
    """A record, its verdict, and the run before it."""

    record: Record
    verdict: Verdict
    before: RunState | None

    @property
    def accepted(self) -> bool:
        """Whether it counts."""
        return isinstance(self.verdict, Accepted)


def follow(fold: PartitionFold, message: Any) -> Followed | DeadLetter:
    """Fold one message; what cannot be read is passed over and buried."""
    try:
        record = decode(message.value)
    except UndecodableError as error:
        fold.next_offset = message.offset + 1
        return DeadLetter(
            message.topic, message.partition, message.offset, str(error), message.key, message.value or b""
        )
    before = fold.runs.get(record.run_id)
    return Followed(record, fold.apply(record, message.offset, broker_time(message)), before)


def follow_own(fold: PartitionFold, record: Record, place: RecordMetadata) -> Followed:
    """Fold a record of our own at its acknowledged place, decoded from its bytes like any other."""
    written = decode(encode(record))
    at = datetime.fromtimestamp((place.timestamp or 0) / 1000, UTC)
    before = fold.runs.get(record.run_id)
    return Followed(written, fold.apply(written, place.offset, at), before)


def opened(followed: Followed) -> step.StepScheduled | None:
    """The execution that this record opened."""
    data = followed.record.data
    return data if followed.accepted and isinstance(data, step.StepScheduled) else None


def closed(followed: Followed) -> list[str]:
    """The executions that this record closed."""
    if not followed.accepted or followed.before is None:
        return []
    if followed.record.type in CLOSES_ALL:
        return [execution.id for execution in followed.before.open_executions()]
    if closes_an_execution(followed.record):
        return [str(followed.record.data.execution_id)]  # type: ignore[union-attr]  # each of these names one
    left = left_by(followed.record.data)
    return [one.id for one in followed.before.open_executions() if left and one.step.startswith(left)]


def recalled(followed: Followed) -> bool:
    """Whether workers have to be told that the closed executions no longer count."""
    data = followed.record.data
    left = left_by(data) is not None
    return left or isinstance(data, step.StepTimedOut | step.StepOrphaned) or followed.record.type in CLOSES_ALL


def misrouted(followed: Followed) -> str | None:
    """The execution whose command reached another worker than the one it names."""
    data = followed.record.data
    if isinstance(data, step.StepDeclined) and data.reason == "not_mine" and not followed.accepted:
        return data.execution_id
    return None


def is_new_command(followed: Followed) -> bool:
    """Whether a command waits for its outcome now."""
    return followed.accepted and isinstance(followed.record.data, run.CommandReceived)


def held(followed: Followed) -> bool:
    """Whether a newer program was just found to have gone on with the run."""
    return isinstance(followed.verdict, Refused) and followed.verdict.reason == "newer_version"
