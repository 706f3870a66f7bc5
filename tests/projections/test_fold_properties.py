"""What holds for every log, however strange."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from elexirion.events import catalog, step
from elexirion.events.envelope import Record, make_record
from elexirion.events.record_model import RecordModel
from elexirion.projections.context import context_hash
from elexirion.projections.partition import PartitionFold, Refused
from elexirion.projections.replay import Logged
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.events.examples import EXAMPLES
from tests.projections.partition_log import RUN, START, WORKER, RunLog, failure
from tests.projections.state_hash import state_hash
from tests.projections.test_context_hash import ENDS, FULL, full_run

EVENTS = [entry for entry in catalog.ALL if entry.family == "events"]
NAMES = st.sampled_from(["a", "b", "summary", "start", "cmd-1", RUN, f"{RUN}/a#1", f"{RUN}/a#2", WORKER, ""])


def fill(entry: catalog.RecordType) -> st.SearchStrategy[RecordModel]:
    """The example of a type with some of its texts replaced by names that occur in the log."""
    example = EXAMPLES[entry.model]
    texts = [name for name, value in example if isinstance(value, str) and name not in ("reason_code", "lane")]
    texts = [name for name in texts if entry.model.model_fields[name].annotation in (str, str | None)]
    changes = st.dictionaries(st.sampled_from(texts), NAMES) if texts else st.just({})
    return changes.map(lambda said: example.model_copy(update=said))


RECORDS = st.builds(
    lambda data, id, seq, prev, run_id: replace(
        make_record(data, id=id, run_id=run_id, at=START), seq=seq, prev=prev
    ),
    data=st.sampled_from(EVENTS).flatmap(fill), id=NAMES, seq=st.none() | st.integers(-1, 6), prev=st.none() | NAMES,
    run_id=st.sampled_from([RUN, "run-2"]),
)  # fmt: skip


@given(st.lists(RECORDS, max_size=12))
def test_the_fold_never_raises_and_counts_every_offset(records: list[Record]) -> None:
    log = RunLog("a", "summary")
    log.schedule("a")
    fold = log.fold
    for record in records:
        offset = fold.next_offset
        verdict = fold.apply(record, offset, log.now)
        assert fold.next_offset == offset + 1
        assert not isinstance(verdict, Refused) or verdict.reason != "fold_error"


@given(st.data())
def test_removing_all_refused_records_gives_the_same_state(data: st.DataObject) -> None:
    """Every record of a run, shuffled a little and repeated, as late and doubled messages come."""
    order = [n for n in range(len(FULL.records)) for _ in range(data.draw(st.integers(1, 2)))]
    log = PartitionFold(0)
    shuffled = sorted(order, key=lambda n: n + data.draw(st.integers(0, 3)))
    verdicts = [log.apply(FULL.records[n][0], i, FULL.records[n][1]) for i, n in enumerate(shuffled)]
    kept = [n for n, verdict in zip(shuffled, verdicts, strict=True) if not isinstance(verdict, Refused)]
    again = PartitionFold(0)
    assert not any(
        isinstance(again.apply(FULL.records[n][0], i, FULL.records[n][1]), Refused) for i, n in enumerate(kept)
    )
    assert (again.runs, again.ended, again.pending) == (log.runs, log.ended, log.pending)
    assert again.commands.keys() == log.commands.keys()


@settings(max_examples=40)
@given(st.data())
def test_repeated_reports_in_any_order_leave_one_result_a_step(data: st.DataObject) -> None:
    log = RunLog("a", "b", "c")
    for name in ("a", "b", "c"):
        log.schedule(name)
    reports = [log.reported(log.completed(name, value=f"{name}{i}"), f"c{i}") for name in "abc" for i in range(3)]
    results: dict[str, set[str]] = {}
    for record in data.draw(st.permutations(reports)):
        if log.write(record) is None:
            results.setdefault(str(record.raw["execution_id"]), set()).add(str(record.raw["result"]))
    assert len(results) == 3
    assert all(len(values) == 1 for values in results.values())
    assert all(step.status == "completed" for step in log.state.steps.values())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_fifth_of_the_records_doubled_and_partitions_interleaved_give_the_same_state_hash(
    data: st.DataObject,
) -> None:
    """Copies of a topic may hold records twice; of two partitions nobody says which is read first."""
    partitions = [full_run(end).records for end in ENDS]
    order = [n for n, records in enumerate(partitions) for _ in with_copies(records, data)]
    doubled = [iter(with_copies(records, data)) for records in partitions]
    folds = [PartitionFold(n) for n in range(len(partitions))]
    for n in data.draw(st.permutations(order)):
        for record, at in itertools.islice(doubled[n], 1):
            folds[n].apply(record, folds[n].next_offset, at)
    for fold, rest in zip(folds, doubled, strict=True):
        for record, at in rest:
            fold.apply(record, fold.next_offset, at)
    assert [state_hash(fold) for fold in folds] == [state_hash(full_run(end).fold) for end in ENDS]


def test_a_report_that_is_there_twice_counts_once() -> None:
    log = RunLog()
    log.schedule()
    said = {"execution_id": log.execution(), "incarnation": WORKER}
    reports = [
        log.reported(step.StepStarted(**said)),
        log.reported(step.ToolCalled(**said, call_id="t1", tool="bash", arguments={})),
        log.reported(step.FallbackUsed(**said, reason="max_turns", used="emergent")),
    ]
    assert [log.write(report) for report in reports] == [None, None, None]
    assert [log.write(report) for report in reports] == ["duplicate_report"] * 3
    assert log.complete() is None
    assert log.state.opened == {}, "nothing of it is remembered once it has ended"


def with_copies(records: Sequence[Logged], data: st.DataObject) -> list[Logged]:
    """The records, a fifth of them once more anywhere after their place."""
    doubled = list(records)
    copied = data.draw(st.sets(st.integers(0, len(records) - 1), min_size=len(records) // 5))
    for n in sorted(copied, reverse=True):
        doubled.insert(data.draw(st.integers(n + 1, len(doubled))), records[n])
    return doubled


def test_a_replay_of_the_log_gives_the_same_partition() -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    log.fail("a", failure())
    log.end()
    again = log.replay()
    assert again == log.fold


def test_two_readers_agree_after_every_record() -> None:
    one, other = PartitionFold(0), PartitionFold(0)
    for offset, (record, at) in enumerate(FULL.records):
        assert one.apply(record, offset, at) == other.apply(record, offset, at)
        assert one == other
        for state in one.runs.values():
            assert context_hash(state) == context_hash(other.runs[state.run_id])


def test_the_latest_broker_time_never_falls() -> None:
    fold = PartitionFold(0)
    for n, seconds in enumerate((5, 1, 9, 2)):
        fold.apply(FULL.records[0][0], n, START + timedelta(seconds=seconds))
    assert fold.latest == START + timedelta(seconds=9)
