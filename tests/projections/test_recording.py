"""What a recorded run answers to which request, and how a changed input is told."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from elexirion.events.envelope import Record, make_record
from elexirion.events.failure import Failure
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.step import StepChunk
from elexirion.events.usage import NO_USAGE
from elexirion.projections.input_diff import differing, full_diff
from elexirion.projections.recording import Recording, recording_of

from tests.projections.partition_log import START, WORKER

BUSY = Failure(kind="overloaded", message="busy")


def _call(call: str, sha: str, **how: Any) -> Iterator[Record]:
    """A call and its end; `how` are fields of the end, which come a second later."""
    id = f"rec/{call}"
    of = {
        "execution_id": id.rpartition("/")[0],
        "incarnation": WORKER,
        "call_id": id,
        "provider": "claude",
        "model": "m",
    }
    yield _record(ProviderRequested(**of, request_sha256=sha), 0)
    yield _record(ProviderResponded(**{**of, "usage": NO_USAGE, "duration_s": 1.0, **how}), 1)


def _record(data: Any, after_s: float) -> Record:
    at = START + timedelta(seconds=after_s)
    return make_record(data, id=f"{type(data).__name__}/{after_s}", run_id="rec", at=at)


def _chunks(execution: str, *texts: str) -> list[Record]:
    return [
        _record(StepChunk(execution_id=f"rec/{execution}", n=n, text=text), n / 4)
        for n, text in enumerate(texts, start=1)
    ]


def _answered(recording: Recording, call: str, sha: str) -> str | None:
    found = recording.exchange(f"now/{call}", sha)
    return found.answer.call_id.partition("/")[2] if found else None


def test_the_same_call_is_answered_as_it_was_and_a_failure_fails_again() -> None:
    recording = recording_of([*_call("a#1/1", "x", failure=BUSY), *_call("a#2/1", "x")], [])
    assert [_answered(recording, call, "x") for call in ("a#1/1", "a#2/1")] == ["a#1/1", "a#2/1"]


def test_another_execution_gets_an_answer_that_ended_well_of_its_own_step_first() -> None:
    recording = recording_of([*_call("a#1/1", "x", failure=BUSY), *_call("a#2/1", "x"), *_call("b#1/1", "x")], [])
    assert [_answered(recording, call, "x") for call in ("a#9/1", "b#9/1", "c#1/1")] == ["a#2/1", "b#1/1", "a#2/1"]


def test_another_request_is_answered_by_nothing() -> None:
    assert _answered(recording_of(_call("a#1/1", "x"), []), "a#1/1", "y") is None


def test_a_call_without_an_end_was_not_recorded() -> None:
    requested, _ = _call("a#1/1", "x")
    assert recording_of([requested], []).exchange("now/a#1/1", "x") is None


def test_each_call_has_its_own_chunks_with_their_distance_in_time() -> None:
    ends = [*_call("a#1/1", "x", first_chunk=1, chunks=2), *_call("a#1/2", "y", first_chunk=4, chunks=1)]
    recording = recording_of(ends, _chunks("a#1", "one ", "two", "\n\n", "three"))
    first, second = (recording.exchange(f"now/a#1/{n}", sha) for n, sha in ((1, "x"), (2, "y")))
    assert first is not None and second is not None
    assert (first.text, second.text) == ("one two", "three")
    assert [piece.after_s for piece in first.pieces or ()] == [0.25, 0.5]


def test_text_that_is_not_kept_any_more_is_known_to_be_missing() -> None:
    recording = recording_of(_call("a#1/1", "x", first_chunk=1, chunks=2), _chunks("a#1", "one"))
    found = recording.exchange("now/a#1/1", "x")
    assert found is not None and found.pieces is None


@pytest.mark.parametrize(
    ("recorded", "now", "places"),
    [
        ({"prompt": "a\nb"}, {"prompt": "a\nc"}, ("prompt (line 2)",)),
        ({"prompt": "a"}, {"prompt": "a\nb"}, ("prompt (line 2)",)),
        ({"options": {"max_tokens": 1, "x": 2}}, {"options": {"max_tokens": 3, "x": 2}}, ("options.max_tokens",)),
        ({"prompt": "a", "cache": {"ttl_seconds": 1}}, {"prompt": "a"}, ()),
        ({"turns": []}, {"turns": [{"user": "secret"}]}, ("turns",)),
    ],
)
def test_a_message_names_what_differs_and_never_what_stands_there(
    recorded: dict[str, Any], now: dict[str, Any], places: tuple[str, ...]
) -> None:
    assert differing(recorded, now) == places


def test_a_diff_shows_each_key_that_differs() -> None:
    diff = full_diff({"prompt": "one\ntwo", "model": "m"}, {"prompt": "one\nthree", "model": "m"})
    assert diff.splitlines() == ["--- recorded prompt", "+++ now prompt", "@@ -1,2 +1,2 @@", " one", "-two", "+three"]
