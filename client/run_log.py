"""One run's records out of its partition of `events`, each with what the fold says of it.

A record counts exactly when the orchestrators count it; see `elexirion.projections.admission`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elexirion.agents.kafka.reading import broker_time
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.envelope import Record
from elexirion.events.run import CommandReceived, CommandRejected, RunForked
from elexirion.projections.admission import Refusal
from elexirion.projections.replay import Logged
from elexirion.projections.run_fold import RunFold
from elexirion.projections.run_state import RunState


@dataclass(frozen=True, slots=True)
class Entry:
    """One record under the run's key, in log order.

    `value` is the record as it stands on the topic; `record` is None where it cannot be read. `refused` says why
    it does not count. `state` is the run after it, None before RunStarted. CommandReceived, CommandRejected and
    RunForked count, but are no part of the run: they have no position in it (`of_run`).
    """

    record: Record | None
    value: bytes
    partition: int
    offset: int
    broker_at: datetime
    refused: Refusal | None
    state: RunState | None

    @property
    def of_run(self) -> bool:
        """Whether it is an accepted record of the run itself."""
        told = self.record is not None and isinstance(self.record.data, CommandReceived | CommandRejected | RunForked)
        return self.refused is None and not told


@dataclass(frozen=True, slots=True)
class RunLog:
    """What the log holds of a run now."""

    run_id: str
    entries: tuple[Entry, ...]

    @property
    def state(self) -> RunState | None:
        """The run as it is now; None where only commands were seen."""
        return self.entries[-1].state if self.entries else None

    @property
    def logged(self) -> list[Logged]:
        """The records that can be read, with their broker timestamps: what projections take."""
        return [(entry.record, entry.broker_at) for entry in self.entries if entry.record]

    @property
    def rejections(self) -> tuple[CommandRejected, ...]:
        """Commands to this run that had no effect."""
        said = [entry.record.data for entry in self.entries if entry.record and entry.refused is None]
        return tuple(data for data in said if isinstance(data, CommandRejected))


class RunJudge:
    """Folds the messages of one run, given in log order."""

    def __init__(self) -> None:
        self._fold = RunFold()

    @property
    def state(self) -> RunState | None:
        """The run as it is now; None before RunStarted."""
        return self._fold.state

    def take(self, message: Any) -> Entry:
        """Judge the next message of `events` that has the run's key."""
        record, refused = self._judge(message)
        return Entry(
            record=record, value=message.value or b"", partition=message.partition, offset=message.offset,
            broker_at=broker_time(message), refused=refused, state=self.state,
        )  # fmt: skip

    def _judge(self, message: Any) -> tuple[Record | None, Refusal | None]:
        try:
            record = decode(message.value)
        except UndecodableError:
            return None, "unreadable"
        return record, self._fold.take(record, broker_time(message))
