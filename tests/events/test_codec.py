"""Records to bytes and back; no bytes at all may do more than be refused."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from elexirion.events import catalog
from elexirion.events.codec import UndecodableError, decode, encode, headers
from elexirion.events.envelope import Record, UnknownData, make_decision, make_record
from elexirion.events.run import RunPaused
from elexirion.events.step import StepStarted
from elexirion.events.upcast import UPCASTERS, upcast
from hypothesis import given
from hypothesis import strategies as st

from tests.events.examples import AT, EXAMPLES
from tests.events.goldens import example, file_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC)).filter(lambda at: 1 < at.year < 9999)


def envelope(**changes: Any) -> dict[str, Any]:
    document = {"type": "CancelRun", "version": 1, "id": "c1", "run_id": "r1", "at": "2026-01-01T00:00:00Z", "data": {}}
    return {**document, **changes}


def reason(value: bytes | None) -> str:
    with pytest.raises(UndecodableError) as refused:
        decode(value)
    return str(refused.value)


@given(
    data=st.sampled_from([*EXAMPLES.values()]), id=NAMES, run_id=NAMES, at=TIMES, causation=st.none() | TEXTS,
    correlation=st.none() | TEXTS, offline=st.booleans(),
)  # fmt: skip
def test_a_record_comes_back_as_it_was_written(
    data: Any, id: str, run_id: str, at: datetime, causation: str | None, correlation: str | None, offline: bool
) -> None:
    record = make_record(
        data, id=id, run_id=run_id, at=at, causation_id=causation, correlation_id=correlation, offline=offline
    )
    assert decode(encode(record)) == record
    assert encode(decode(encode(record))) == encode(record)


@given(seq=st.integers(1, 2**63 - 1), prev=st.none() | NAMES, author=NAMES, at=TIMES)
def test_a_decision_comes_back_as_it_was_written(seq: int, prev: str | None, author: str, at: datetime) -> None:
    record = make_decision(RunPaused(command_id="c"), run_id="r", seq=seq, prev=prev, author=author, at=at)
    assert decode(encode(record)) == record


@given(JSON)
def test_any_json_travels_as_a_value(value: Any) -> None:
    data = catalog.BY_NAME["Signal"].model.model_validate({"name": "s", "value": value})
    record = make_record(data, id="i", run_id="r", at=AT)
    assert decode(encode(record)).raw["value"] == value


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_never_crash(value: bytes) -> None:
    try:
        decode(value)
    except UndecodableError as error:
        assert str(error)


@given(JSON | st.dictionaries(st.sampled_from([*envelope()]), JSON))
def test_arbitrary_json_is_refused_or_read(document: Any) -> None:
    try:
        record = decode(orjson.dumps(document))
    except UndecodableError:
        return
    assert isinstance(record, Record)


@given(st.sampled_from(catalog.ALL), st.data())
def test_a_record_with_one_changed_byte_is_refused_or_read(entry: catalog.RecordType, data: st.DataObject) -> None:
    value = bytearray(file_of(entry).read_bytes())
    value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(value))
    except UndecodableError as error:
        assert str(error)


@given(st.sampled_from(catalog.ALL), st.data())
def test_a_record_with_one_field_replaced_is_refused_or_read(entry: catalog.RecordType, data: st.DataObject) -> None:
    document = orjson.loads(file_of(entry).read_bytes())
    inside = document["data"] if document["data"] and data.draw(st.booleans()) else document
    inside[data.draw(st.sampled_from(sorted(inside)))] = data.draw(JSON)
    try:
        decode(orjson.dumps(document))
    except UndecodableError as error:
        assert str(error)


@pytest.mark.parametrize("levels", [2_000, 100_000])
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_very_deep_document_is_refused(levels: int, pair: tuple[bytes, bytes]) -> None:
    opening, closing = pair
    assert "not JSON" in reason(opening * levels + b"1" + closing * levels)


def test_a_tombstone_is_refused() -> None:
    assert reason(None) == "no value (a tombstone)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": ""}, "field `type`: a text is expected"),
        ({"type": 7}, "field `type`: a text is expected"),
        ({"id": None}, "field `id`: a text is expected"),
        ({"run_id": []}, "field `run_id`: a text is expected"),
        ({"at": "yesterday"}, "field `at`: an ISO 8601 time is expected"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "field `at`: an ISO 8601 time is expected"),
        ({"version": 0}, "field `version`: a whole number from 1 on is expected, not 0"),
        ({"version": True}, "field `version`: a whole number from 1 on is expected, not True"),
        ({"seq": "1"}, "field `seq`: int is expected"),
        ({"seq": True}, "field `seq`: int is expected"),
        ({"prev": 1}, "field `prev`: str is expected"),
        ({"data": None}, "field `data`: an object is expected"),
        ({"data": {"reason": 5}}, "CancelRun v1: `reason`: Input should be a valid string"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], said: str) -> None:
    assert said in reason(orjson.dumps(envelope(**changes)))


def test_what_is_wrong_is_said_without_the_value() -> None:
    assert "secret prompt" not in reason(orjson.dumps(envelope(data={"reason": ["secret prompt"]})))


def test_times_of_any_offset_are_utc_afterwards() -> None:
    record = decode(orjson.dumps(envelope(at="2026-01-01T02:00:00+02:00")))
    assert record.at == datetime(2026, 1, 1, tzinfo=UTC)
    assert record.at.tzinfo is UTC
    assert decode(orjson.dumps(envelope(at="2026-01-01T00:00:00"))).at == record.at


def test_an_unknown_type_is_a_value() -> None:
    record = decode(orjson.dumps(envelope(type="MoonRisen", version=3, data={"phase": "full"})))
    assert record.data == UnknownData("MoonRisen", 3)
    assert record.raw == {"phase": "full"}
    assert not record.known


def test_a_newer_version_of_a_known_type_is_a_value() -> None:
    record = decode(orjson.dumps(envelope(version=2, data={"reason": {"shape": "new"}})))
    assert record.data == UnknownData("CancelRun", 2)


def test_a_field_that_a_newer_writer_added_is_passed_over_and_kept_as_written() -> None:
    record = decode(orjson.dumps(envelope(data={"reason": "r", "urgency": 3})))
    assert record.known
    assert record.raw == {"reason": "r", "urgency": 3}


def test_upcasters_are_chained_up_to_the_present_version() -> None:
    planted = {
        ("X", 1): lambda data: {**data, "b": data["a"] + 1},
        ("X", 2): lambda data: {**data, "c": data["b"] * 10},
    }
    assert upcast("X", 1, {"a": 1}, 3, planted) == {"a": 1, "b": 2, "c": 20}
    assert upcast("X", 2, {"b": 5}, 3, planted) == {"b": 5, "c": 50}
    assert upcast("X", 3, {"c": 7}, 3, planted) == {"c": 7}
    assert upcast("X", 4, {}, 3, planted) is None
    assert upcast("Y", 1, {}, 3, planted) is None


@pytest.fixture
def second_version_of_cancel_run(monkeypatch: pytest.MonkeyPatch) -> None:
    known = catalog.BY_NAME["CancelRun"]
    newer = catalog.RecordType(known.name, 2, known.model, known.family)
    monkeypatch.setitem(catalog.BY_NAME, "CancelRun", newer)
    monkeypatch.setitem(UPCASTERS, ("CancelRun", 1), lambda data: {"reason": data["why"].upper()})


@pytest.mark.usefixtures("second_version_of_cancel_run")
def test_a_record_of_an_older_version_is_read_through_its_upcaster() -> None:
    record = decode(orjson.dumps(envelope(data={"why": "late"})))
    assert record.data == catalog.BY_NAME["CancelRun"].model.model_validate({"reason": "LATE"})
    assert (record.version, record.raw) == (1, {"why": "late"})


@pytest.mark.usefixtures("second_version_of_cancel_run")
@pytest.mark.parametrize("data", [{}, {"why": 3}])
def test_data_that_its_upcaster_cannot_read_is_refused(data: dict[str, Any]) -> None:
    assert "CancelRun v1: no data of that version" in reason(orjson.dumps(envelope(data=data)))


def test_headers_carry_the_cloudevents_attributes_of_the_kafka_binding() -> None:
    at = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    record = make_record(StepStarted(execution_id="r1/a#1", incarnation="w"), id="i1", run_id="r1", at=at)
    assert dict(headers(record, "host-1")) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_type": b"elexirion.StepStarted",
        "ce_id": b"i1",
        "ce_source": b"host-1",
        "ce_subject": b"r1",
        "ce_time": b"2026-01-01T00:00:00.000000Z",
    }


@pytest.mark.parametrize("entry", catalog.ALL, ids=lambda entry: entry.name)
def test_every_record_has_all_required_cloudevents_attributes(entry: catalog.RecordType) -> None:
    written = dict(headers(example(entry), "host-1"))
    assert all(written[f"ce_{name}"] for name in ("specversion", "type", "id", "source"))
