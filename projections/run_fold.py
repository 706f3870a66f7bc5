"""Folding the records of one run from the log, commands included, with a verdict for each.

An export holds only what counted, without the commands: `fold_counted` folds that.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from elexirion.events.envelope import Record
from elexirion.projections.admission import Refusal, refusal
from elexirion.projections.evolve import begin, evolve
from elexirion.projections.partition import PartitionFold, Refused
from elexirion.projections.run_state import RunState


@dataclass(frozen=True, slots=True)
class Judged:
    """A record with what the fold said of it; `state` is the run after it (None before RunStarted)."""

    record: Record
    refused: Refusal | None
    state: RunState | None


class RunFold:
    """The fold of a partition over the records of one run alone; `state` stays after the run's end.

    All rules but one depend on nothing outside of the run, so the verdicts are those of its partition. The one: a
    command id used before in another run of the partition.
    """

    def __init__(self) -> None:
        self.state: RunState | None = None
        self._partition = PartitionFold(partition=0)

    def take(self, record: Record, broker_at: datetime) -> Refusal | None:
        """Take the next record in; why it does not count, or None where it does."""
        fold = self._partition
        verdict = fold.apply(record, fold.next_offset, broker_at)
        if isinstance(verdict, Refused):
            return verdict.reason
        if verdict.position:
            open_run = fold.runs.get(record.run_id)
            self.state = open_run or (evolve(self.state, record) if self.state else None)
        return None


def judge_all(records: Iterable[Record]) -> Iterator[Judged]:
    """Walk the records of one run in log order; `at` stands in for the broker's time."""
    fold = RunFold()
    for record in records:
        refused = fold.take(record, record.at)
        yield Judged(record, refused, fold.state)


def fold_run(records: Iterable[Record]) -> RunState | None:
    """The state after all records; None where no RunStarted was accepted."""
    state: RunState | None = None
    for judged in judge_all(records):
        state = judged.state
    return state


def fold_counted(records: Iterable[Record]) -> RunState | None:
    """The state after records that counted, of which an export is made: the command behind RunStarted is not
    asked for. Chunks and whatever else does not count change nothing; None where no RunStarted was accepted.
    """
    state: RunState | None = None
    for record in records:
        if refusal(state, record) is None:
            state = begin(record) if state is None else evolve(state, record)
    return state
