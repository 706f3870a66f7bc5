"""A run at any of its events is what folding that far gives, and its text is exactly that of the moment."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from elexirion.events import run, step
from elexirion.projections.context import context_of
from elexirion.projections.replay import At, Moment, PositionError, Recording, Streamed, recording_of, replay
from elexirion.projections.run_fold import fold_run
from hypothesis import given
from hypothesis import strategies as st

from tests.projections.partition_log import RunLog
from tests.projections.test_context_hash import ENDS, full_run

S = timedelta(seconds=1)


def said(execution: str, *texts: tuple[datetime, str], first: int = 1) -> list[Streamed]:
    """An execution's chunks with their times."""
    return [(step.StepChunk(execution_id=execution, n=n, text=text), at) for n, (at, text) in enumerate(texts, first)]


def texts(moment: Moment) -> dict[str, tuple[str, str]]:
    """By execution: where it stands, and its text."""
    return {text.execution_id.partition("/")[2]: (text.standing, text.text) for text in moment.texts}


class TwoTries:
    """Step a is scheduled (2) and started (3), dies (4), and completes as its second execution (5, 6, 7)."""

    def __init__(self) -> None:
        self.log = RunLog("a", "b")
        self.log.schedule("a")
        self.log.begin("a")
        self.log.orphan("a")
        self.log.schedule("a")
        self.log.begin("a")
        self.log.complete("a", value="kept text")
        self.log.end()

    def at(self, position: int) -> datetime:
        """The log's time at an event."""
        own = [at for record, at in self.log.records if record.type != "CommandReceived"]
        return own[position - 1]

    def recording(self, chunks: list[Streamed]) -> Recording:
        return recording_of(self.log.records, chunks)


@pytest.mark.parametrize("end", ENDS, ids=lambda kind: kind.__name__)
def test_replay_at_every_position_is_the_fold_of_the_log_up_to_it(end: type) -> None:
    log = full_run(end)
    records = [record for record, _ in log.records]
    recording = recording_of(log.records)
    own = [n for n, record in enumerate(records, 1) if record.type != "CommandReceived"]
    assert len(recording.events) == len(own)
    for position, length in enumerate(own, 1):
        state = fold_run(records[:length])
        assert state is not None
        moment = replay(log.records, (), At(position))
        assert moment.event.state == state
        assert moment.context == context_of(state)
        assert moment.event.record == records[length - 1]


def test_a_refused_record_has_no_position() -> None:
    log = RunLog("a")
    log.schedule("a")
    log.complete("a")
    assert log.complete("a") == "execution_closed"
    log.end()
    types = [event.record.type for event in recording_of(log.records).events]
    assert types == ["RunStarted", "StepScheduled", "StepCompleted", "RunCompleted"]


def test_in_the_middle_of_a_stream_exactly_the_text_of_that_moment_is_shown() -> None:
    told = TwoTries()
    start = told.at(6)
    pieces = ["one ", "two ", "three"]
    recording = told.recording(said(f"{told.log.run_id}/a#2", *((start + S / 10 * n, p) for n, p in enumerate(pieces))))
    assert texts(recording.moment(At(6))) == {}
    for k in (1, 2, 3):
        moment = recording.moment(At(6, k))
        assert texts(moment) == {"a#2": ("open", "".join(pieces[:k]))}
        assert moment.chunk is not None
        assert moment.chunk.text == pieces[k - 1]
    assert texts(recording.moment(At(7))) == {"a#2": ("completed", "one two three")}


def test_the_text_of_a_given_up_execution_is_marked_from_the_event_on_that_gave_it_up() -> None:
    told = TwoTries()
    lost = said(f"{told.log.run_id}/a#1", (told.at(3), "lost "), (told.at(4) + S / 2, "late"))
    recording = told.recording(lost + said(f"{told.log.run_id}/a#2", (told.at(6), "kept text")))
    assert texts(recording.moment(At(3, 1))) == {"a#1": ("open", "lost ")}
    assert texts(recording.moment(At(4))) == {"a#1": ("superseded", "lost ")}
    assert texts(recording.moment(At(4, 1))) == {"a#1": ("superseded", "lost late")}
    assert texts(recording.moment(At(6, 1))) == {"a#1": ("superseded", "lost late"), "a#2": ("open", "kept text")}


def test_no_clock_puts_text_before_its_start_or_after_the_report_that_ends_it() -> None:
    told = TwoTries()
    early, late = told.at(1) - S, told.at(8) + S
    recording = told.recording(said(f"{told.log.run_id}/a#2", (early, "from a slow clock "), (late, "from a fast one")))
    assert [len(event.chunks) for event in recording.events] == [0, 0, 0, 0, 0, 2, 0, 0]


def test_text_never_goes_back_behind_text_that_its_execution_sent_before() -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    log.schedule("b")
    log.begin("a")
    log.begin("b")
    at = [moment for record, moment in log.records if record.type != "CommandReceived"]
    chunks = said(log.execution("a"), (at[4], "one "), (at[3], "two"))
    assert [len(event.chunks) for event in recording_of(log.records, chunks).events] == [0, 0, 0, 0, 2]


def test_an_event_whose_writer_has_a_slow_clock_does_not_turn_back_the_time_of_the_log() -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    log.begin("a")
    log.now -= 10 * S
    log.schedule("b")
    log.now += 10 * S
    at = [moment for _, moment in log.records]
    recording = recording_of(log.records, said(log.execution("a"), (at[3] + S / 2, "x")))
    assert [len(event.chunks) for event in recording.events] == [0, 0, 0, 1]


def test_a_chunk_that_was_sent_twice_counts_once_and_one_of_no_known_execution_nowhere() -> None:
    told = TwoTries()
    once = said(f"{told.log.run_id}/a#2", (told.at(6), "kept "))
    foreign = said(f"{told.log.run_id}/c#1", (told.at(6), "foreign"))
    recording = told.recording(once + foreign + once)
    assert texts(recording.moment(At(8))) == {"a#2": ("completed", "kept ")}


def test_chunks_that_are_no_longer_kept_are_counted() -> None:
    told = TwoTries()
    recording = told.recording(said(f"{told.log.run_id}/a#2", (told.at(6), "the rest"), first=4))
    [text] = recording.moment(At(7)).texts
    assert (text.text, text.chunks, text.missing) == ("the rest", 1, 3)


@given(st.data())
def test_each_chunk_stands_at_one_place_and_text_only_grows(data: st.DataObject) -> None:
    told = TwoTries()
    ids = [f"{told.log.run_id}/a#{n}" for n in (1, 2)]
    steps = st.integers(-3, 12).map(lambda s: told.at(1) + s * S / 2)
    chunks = [
        piece
        for execution in ids
        for piece in said(execution, *((at, f"{i} ") for i, at in enumerate(data.draw(st.lists(steps, max_size=5)))))
    ]
    recording = told.recording(chunks)
    moments = [
        recording.moment(At(position, k))
        for position, event in enumerate(recording.events, 1)
        for k in range(len(event.chunks) + 1)
    ]
    grown = [sum(text.chunks for text in moment.texts) for moment in moments]
    assert all(later - earlier in (0, 1) for earlier, later in pairwise(grown))
    assert grown[-1] == len(chunks)
    for execution in ids:
        whole = "".join(chunk.text for chunk, _ in chunks if chunk.execution_id == execution)
        shown = [text.text for moment in moments for text in moment.texts if text.execution_id == execution]
        assert all(whole.startswith(text) for text in shown)
        assert not whole or shown[-1] == whole


@pytest.mark.parametrize(
    ("at", "said_so"),
    [
        (At(0), "positions 1 to 8"),
        (At(9), "positions 1 to 8"),
        (At(6, 3), "are 6.1 to 6.2"),
        (At(1, 1), "no chunk stands after event 1"),
    ],
    ids=str,
)
def test_a_position_that_is_not_there_is_told_with_those_that_are(at: At, said_so: str) -> None:
    told = TwoTries()
    recording = told.recording(said(f"{told.log.run_id}/a#2", (told.at(6), "one "), (told.at(6), "two")))
    with pytest.raises(PositionError, match=said_so):
        recording.moment(at)


def test_a_run_that_never_started_has_no_positions() -> None:
    log = RunLog("a")
    with pytest.raises(PositionError, match="no RunStarted"):
        replay(log.records[:1], (), At(1))


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_position_is_read_as_it_is_written(event: int, chunk: int) -> None:
    assert At.parse(str(At(event, chunk))) == At(event, chunk)


@pytest.mark.parametrize("text", ["", "x", "1.", ".1", "-1", "1.2.3", "1\n", "٣", " 1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a position"):
        At.parse(text)


def test_the_document_of_a_moment_has_event_changes_texts_and_context() -> None:
    told = TwoTries()
    moment = told.recording(said(f"{told.log.run_id}/a#2", (told.at(6), "kept"))).moment(At(6, 1))
    document = moment.document()
    assert document["position"] == "6.1"
    assert document["event"]["type"] == "StepStarted"
    assert document["chunk"] == {"execution_id": "run-1/a#2", "n": 1, "text": "kept"}
    assert document["texts"][0]["text"] == "kept"
    assert document["context"]["step_results"]["a"]["status"] == "open"
    assert {change["path"] for change in document["changes"]} == {"metadata.position", "metadata.digest"}


def test_the_end_closes_every_execution_and_its_text_is_superseded() -> None:
    log = RunLog("a")
    log.schedule("a")
    log.begin("a")
    chunks = said(log.execution("a"), (log.now, "half a"))
    log.end(run.RunCancelled)
    assert texts(replay(log.records, chunks, At(4))) == {"a#1": ("superseded", "half a")}
