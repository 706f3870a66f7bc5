"""A snapshot and the rest of the log make the state that the whole log makes; what is no snapshot is not read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from elexirion.events import commands, run
from elexirion.events.envelope import Record, make_decision
from elexirion.events.usage import NO_USAGE
from elexirion.projections import snapshot_codec as codec
from elexirion.projections.partition import EndedRun, HeldRun, PartitionFold
from elexirion.projections.run_state import Child, Failing, RunState, Successor
from elexirion.projections.snapshot import SnapshotUnusableError, differences, restore, take
from elexirion.projections.snapshot_contents import PAGE, Contents, Remembered, snapshots_in
from elexirion.projections.step_state import Execution, Inside, StepState
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.agents.decide.worlds import Fate, Told, World, drive, worlds
from tests.projections.any_state import any_of
from tests.projections.partition_log import PartitionLog, RunLog
from tests.projections.snapshots import PARTITIONS, Followed, Topic, gone, restored
from tests.projections.test_context_hash import FULL
from tests.projections.test_fold_properties import RECORDS

Log = Sequence[tuple[Record, datetime]]


def at(offset: int, log: Log) -> Followed:
    return Followed().read(log, offset)


def assert_goes_on_as_if_never_stopped(log: Log, *offsets: int) -> None:
    """Snapshots at the offsets, one after the other, each restored by another process that reads on."""
    whole, topic, followed, contents = at(len(log), log), Topic(), Followed(), None
    for offset in offsets:
        contents = topic.snapshot(followed.read(log, offset), contents)
        read = restored(topic.newest())
        assert differences(read.fold, followed.fold) == []
        assert read.tally == followed.tally
        followed, contents = read, topic.newest().contents
    followed.read(log)
    assert differences(followed.fold, whole.fold) == []
    assert followed.tally == whole.tally


@pytest.mark.parametrize("offset", range(len(FULL.records) + 1))
def test_a_snapshot_at_any_offset_of_a_full_run(offset: int) -> None:
    assert_goes_on_as_if_never_stopped(FULL.records, offset)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(worlds(), st.builds(Fate, st.integers(0, 99), st.sampled_from([0, 20])), st.lists(st.integers(0, 9)))
def test_a_snapshot_at_every_prefix_of_any_run(world: World, fate: Fate, choices: list[int]) -> None:
    """Each prefix restored and folded on by one record, up to the end: by induction the whole rest."""
    told = Told(world, fate)
    drive(told, choices)
    whole = Followed()
    for offset in range(len(told.records)):
        topic = Topic()
        topic.write(take(whole.fold, whole.tally, PARTITIONS))
        read = restored(topic.newest())
        assert differences(read.fold, whole.fold) == []
        assert read.tally == whole.tally
        whole.read(told.records, offset + 1)
        read.read(told.records, offset + 1)
        assert differences(read.fold, whole.fold) == []
        assert read.tally == whole.tally


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=12), st.lists(st.integers(0, 20), max_size=4))
def test_snapshots_of_a_log_full_of_strange_records(records: list[Record], offsets: list[int]) -> None:
    log = RunLog("a", "summary")
    log.schedule("a")
    for record in records:
        if not record.id:
            continue  # nobody could read it
        log.fold.apply(record, log.fold.next_offset, log.now)
        log.records.append((record, log.now))
    assert_goes_on_as_if_never_stopped(log.records, *sorted(min(offset, len(log.records)) for offset in offsets))


@pytest.mark.parametrize("kind", [RunState, EndedRun, HeldRun, StepState, Execution, Inside, Child, Successor, Failing])
def test_any_state_comes_back_whatever_is_in_its_fields(kind: type) -> None:
    """Made of the types alone, so that a field which is new here is covered, or refused."""
    adapter = TypeAdapter(kind)

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(any_of(kind))
    def comes_back(value: Any) -> None:
        written = adapter.dump_json(value)
        read = adapter.validate_json(written)
        assert read == value
        assert adapter.dump_json(read) == written

    comes_back()


# What is written ------------------------------------------------------------------------------------------


def runs(*numbers: int, log: PartitionLog | None = None) -> PartitionLog:
    """A log in which these runs are open."""
    log = log or PartitionLog()
    for n in numbers:
        log.start("a", run_id=f"run-{n}", command_id=f"start-{n}")
    return log


def cancel(log: PartitionLog, run_id: str) -> None:
    """The run ends."""
    state = log.fold.runs[run_id]
    log.receive(commands.CancelRun(), f"cancel-{run_id}", run_id)
    data = run.RunCancelled(command_id=f"cancel-{run_id}", context_hash="", usage=NO_USAGE, cost_usd=0.0)
    said = make_decision(data, run_id=run_id, seq=state.seq + 1, prev=state.last, author="o", at=log.now)
    assert log.write(said) is None


def names(topic: Topic, kind: str) -> list[str]:
    return [name for name in topic.documents if name.startswith(f"{kind}/")]


def test_only_what_changed_is_written_again() -> None:
    log, topic, followed = runs(1, 2, 3), Topic(), Followed()
    first = topic.snapshot(followed.read(log.records))
    assert len(names(topic, "run")) == 3
    cancel(log, "run-2")
    written = topic.written
    topic.snapshot(followed.read(log.records), first)
    assert topic.written - written == 3  # commands, ended, and the partition
    assert [name.split("/")[1] for name in names(topic, "run")] == ["run-1", "run-3"]
    assert len(topic.documents) == 5
    assert differences(topic.newest().fold, followed.fold) == []


def test_a_full_page_of_commands_is_written_once() -> None:
    log, topic, followed = runs(*range(PAGE - 1)), Topic(), Followed()
    contents = topic.snapshot(followed.read(log.records))
    runs(*range(PAGE - 1, PAGE + 1), log=log)
    contents = topic.snapshot(followed.read(log.records), contents)
    assert names(topic, "commands") == [f"commands/0/{PAGE}", f"commands/1/{PAGE + 1}"]
    topic.documents[f"commands/0/{PAGE}"] = b"was here before"
    runs(PAGE + 1, log=log)
    take_again = take(followed.read(log.records).fold, followed.tally, PARTITIONS, contents)
    assert [name for name, _ in take_again.documents if name.startswith("commands")] == [f"commands/1/{PAGE + 2}"]


def test_what_was_forgotten_after_a_page_was_written_stays_forgotten() -> None:
    log, topic, followed = runs(1, 2, 3), Topic(), Followed()
    contents = topic.snapshot(followed.read(log.records))
    log.now += timedelta(days=8)
    runs(4, log=log)
    topic.snapshot(followed.read(log.records), contents)
    assert list(topic.newest().fold.commands) == ["start-4"]
    assert_goes_on_as_if_never_stopped(log.records, 3, len(log.records))


# Crashes and zombies --------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 12))
def test_a_writer_that_dies_in_the_middle_leaves_the_older_snapshot(most: int) -> None:
    log, topic, followed = runs(1, 2), Topic(), Followed()
    contents = topic.snapshot(followed.read(log.records))
    older = at(len(log.records), log.records)
    cancel(log, "run-1")
    runs(3, log=log)
    taken = take(followed.read(log.records).fold, followed.tally, PARTITIONS, contents)
    topic.write(taken, most)
    whole = most >= len(taken.documents)
    assert differences(topic.newest().fold, (followed if whole else older).fold) == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), max_size=12))
def test_two_owners_that_both_write_never_leave_a_wrong_newest_snapshot(turns: list[tuple[int, int]]) -> None:
    """One of them is a zombie and behind; whoever is ahead has a snapshot that can be read."""
    log = runs(1, 2)
    cancel(log, "run-1")
    runs(3, 4, log=log)
    cancel(log, "run-3")
    topic, owners = Topic(), [Followed(), Followed()]
    known: list[Contents | None] = [None, None]
    for owner, records in turns:
        followed = owners[owner]
        followed.read(log.records, followed.fold.next_offset + records)
        known[owner] = topic.snapshot(followed, known[owner])
        ahead = max(owners, key=lambda one: one.fold.next_offset)
        if known[owners.index(ahead)] is not None and ahead is followed:
            read = topic.newest()
            assert differences(read.fold, ahead.fold) == []
    for name in snapshots_in(topic.documents):
        try:
            read = restore(name, topic.documents)
        except SnapshotUnusableError:
            continue
        assert differences(read.fold, at(read.contents.offset, log.records).fold) == []


def test_documents_of_an_owner_that_is_ahead_are_left() -> None:
    log, topic = runs(1, 2), Topic()
    ahead = topic.snapshot(at(len(log.records), log.records))
    behind = at(2, log.records)
    topic.snapshot(behind)
    assert differences(topic.newest().fold, at(len(log.records), log.records).fold) == []
    assert topic.newest().contents == ahead
    assert gone(behind, None) == frozenset()


# What is not read -----------------------------------------------------------------------------------------


def snapshot_of_two() -> Topic:
    log, topic = runs(1, 2), Topic()
    cancel(log, "run-2")
    topic.snapshot(at(len(log.records), log.records))
    return topic


@pytest.mark.parametrize("kind", ["run", "commands", "ended"])
def test_a_snapshot_with_a_missing_document_is_unusable(kind: str) -> None:
    topic = snapshot_of_two()
    del topic.documents[names(topic, kind)[0]]
    with pytest.raises(SnapshotUnusableError, match=rf"{kind}/.* is missing"):
        topic.newest()


@settings(deadline=None)
@given(st.data())
def test_a_damaged_document_is_unusable_or_says_the_same(data: st.DataObject) -> None:
    topic = snapshot_of_two()
    name = data.draw(st.sampled_from(sorted(topic.documents)))
    topic.documents[name] = data.draw(st.sampled_from([b"", b"{}", b"[]", b"null", b"[1]", b"{", b'{"offset": 1}']))
    with pytest.raises(SnapshotUnusableError):
        topic.newest()


def test_a_run_in_another_version_than_its_name_says_is_unusable() -> None:
    topic = snapshot_of_two()
    state = at(2, runs(1).records).fold.runs["run-1"]
    topic.documents[names(topic, "run")[0]] = codec.encode_run(replace(state, position=9))
    with pytest.raises(SnapshotUnusableError):
        topic.newest()


@given(st.integers(0, 3 * PAGE), st.integers(0, 3 * PAGE))
def test_pages_hold_each_entry_once(first: int, count: int) -> None:
    remembered = Remembered(first, first + count)
    held = [n for index, last in remembered.pages() for n in range(max(index * PAGE, first), last)]
    assert held == list(range(first, first + count))


# Differences ----------------------------------------------------------------------------------------------


def test_differences_are_named() -> None:
    log = runs(1, 2)
    one, other = at(len(log.records), log.records).fold, at(2, log.records).fold
    assert differences(one, at(len(log.records), log.records).fold) == []
    found = differences(one, other)
    assert "runs: run-2" in found
    assert "commands: start-2" in found
    assert any(line.startswith("next_offset: 4 and 2") for line in found)


def test_another_order_is_a_difference() -> None:
    one = at(4, runs(1, 2).records).fold
    turned = PartitionFold(**{name: getattr(one, name) for name in one.__slots__})
    turned.runs = dict(reversed(one.runs.items()))
    assert differences(one, turned) == ["runs: in another order"]
