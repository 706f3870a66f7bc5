"""The history checker holds the snapshots on their topic against the fold of the log."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from elexirion.projections.history.checker import Checker, Findings
from elexirion.projections.history.records import Written
from elexirion.projections.partition import PartitionFold
from elexirion.projections.snapshot import Restored

from tests.projections.history.histories import history_of, told
from tests.projections.partition_log import START, RunLog
from tests.projections.snapshots import Followed, Topic

LOG = told()
LENGTH = len(LOG.records)


def snapshot(log: RunLog, offset: int) -> Restored:
    topic = Topic()
    topic.snapshot(Followed().read(log.records, offset))
    return topic.newest()


def checked(*snapshots: Restored, events: list[Written] | None = None) -> Findings:
    checker = Checker()
    partition = checker.partition(0, snapshots=snapshots, chunks_gone=True)
    for written in events or list(history_of(LOG).events):
        partition.event(written)
    partition.finish()
    return checker.finish()


def test_snapshots_of_any_places_of_the_log_are_what_the_fold_says() -> None:
    found = checked(*(snapshot(LOG, offset) for offset in range(LENGTH, -1, -1)))
    assert (found.violations, found.counts.snapshots) == ([], LENGTH + 1)


def test_a_record_that_cannot_be_read_is_no_difference() -> None:
    events = list(history_of(LOG).events)
    later = [replace(one, offset=one.offset + 1) for one in events[4:]]
    events = [*events[:4], Written("events", 0, 4, START, b"{"), *later]
    taken = snapshot(LOG, 4)
    taken.fold.next_offset = 5  # who follows the log passes over it
    assert checked(replace(taken, contents=replace(taken.contents, offset=5)), events=events).violations == []


def one_run_less(fold: PartitionFold) -> None:
    fold.runs.clear()


def another_step(fold: PartitionFold) -> None:
    state = fold.runs[LOG.run_id]
    fold.runs[LOG.run_id] = replace(state, variables={"forged": 1})


def one_command_less(fold: PartitionFold) -> None:
    fold.commands.clear()


def a_refusal_more(fold: PartitionFold) -> None:
    fold.refused += 1


@pytest.mark.parametrize("change", [one_run_less, another_step, one_command_less, a_refusal_more])
def test_a_snapshot_that_says_anything_else_is_found(change: Callable[[PartitionFold], None]) -> None:
    wrong = snapshot(LOG, 5)
    change(wrong.fold)
    [violation] = checked(wrong, snapshot(LOG, 6)).violations
    assert violation.kind == "snapshot_differs"
    assert "the snapshot at offset 5 differs" in violation.message


def test_a_snapshot_beyond_the_end_of_the_log_is_found() -> None:
    events = list(history_of(LOG).events)[:5]
    [violation] = checked(snapshot(LOG, 7), snapshot(LOG, 5), events=events).violations
    assert "records are gone" in violation.message
