"""Reading commands as any client may have written them."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from elexirion.agents.orchestrator.command_record import MAX_LEVELS, read_command
from elexirion.events.codec import UndecodableError, decode, encode
from elexirion.events.envelope import Record
from elexirion.events.run import CommandReceived
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LIMIT = 100_000
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SENT_MS = 1_770_000_000_000
MINIMAL = {"type": "CancelRun", "id": "cmd-1", "run_id": "run-1", "data": {"reason": "enough"}}


@dataclass(frozen=True)
class Message:
    """What a consumer gives."""

    value: bytes | None
    topic: str = "elexirion.commands"
    partition: int = 3
    offset: int = 7
    timestamp: int = SENT_MS
    headers: tuple[tuple[str, bytes], ...] = ()


def read(document: Any, limit: int = LIMIT, **where: Any) -> Record:
    return read_command(Message(orjson.dumps(document), **where), limit)


def received(document: Any, **where: Any) -> CommandReceived:
    data = read(document, **where).data
    assert isinstance(data, CommandReceived)
    return data


def test_the_least_that_a_client_must_write() -> None:
    record = read(MINIMAL)
    data = record.data
    assert isinstance(data, CommandReceived)
    assert (record.run_id, record.id) == ("run-1", "cmd-1@elexirion.commands/3/7")
    assert (data.command_id, data.command_type, data.command) == ("cmd-1", "CancelRun", {"reason": "enough"})
    assert data.issued_at is None
    assert data.broker_at == datetime.fromtimestamp(SENT_MS / 1000, UTC)
    assert decode(encode(record)).data == data


def test_a_time_that_the_client_gives_is_kept() -> None:
    assert received(MINIMAL | {"at": "2026-01-01T00:00:00Z"}).issued_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("own", "headers", "correlation"),
    [
        ({}, (), "cmd-1"),
        ({}, (("traceparent", CALLER.encode()),), CALLER),
        ({}, (("traceparent", b"nonsense"),), "cmd-1"),
        ({"correlation_id": "mine"}, (("traceparent", CALLER.encode()),), "mine"),
    ],
)
def test_a_traceparent_becomes_the_correlation_unless_the_command_has_one(
    own: dict[str, str], headers: tuple[tuple[str, bytes], ...], correlation: str
) -> None:
    assert read(MINIMAL | own, headers=headers).correlation_id == correlation


def test_the_same_command_at_another_place_or_time_has_the_same_content() -> None:
    again = received(MINIMAL | {"at": "2026-01-01T00:00:00Z"}, offset=8, partition=1)
    assert again.content_hash == received(MINIMAL).content_hash


@pytest.mark.parametrize(
    "change",
    [{"data": {"reason": "other"}}, {"run_id": "run-2"}, {"type": "PauseRun"}, {"data": {}}],
    ids=str,
)
def test_other_content_has_another_hash(change: dict[str, Any]) -> None:
    assert received(MINIMAL | change).content_hash != received(MINIMAL).content_hash


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "Nope"}, "unknown command type 'Nope'"), ({"type": "StepCompleted", "data": {}}, "StepCompleted"),
        ({"run_id": "a/b"}, "run_id"), ({"run_id": "x" * 129}, "run_id"), ({"run_id": ""}, "run_id"),
        ({"version": 99}, "version 99"), ({"version": 0}, "version"), ({"id": None}, "`id`"), ({"data": []}, "`data`"),
        ({"at": "yesterday"}, "`at`"), ({"data": {"reason": 5}}, "`reason`"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_command_is_said(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UndecodableError) as raised:
        read(MINIMAL | change)
    assert said in str(raised.value)


@pytest.mark.parametrize("value", [None, b"", b"hello", b"[]", b"5", b"\xff\xfe", b'{"type":'])
def test_what_is_no_object_is_refused(value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        read_command(Message(value), LIMIT)


def test_a_command_over_the_limit_is_refused_with_both_sizes() -> None:
    with pytest.raises(UndecodableError, match=r"bytes, the limit is 10"):
        read(MINIMAL, limit=10)


@pytest.mark.parametrize(("levels", "fits"), [(MAX_LEVELS - 2, True), (MAX_LEVELS + 1, False), (900, False)])
def test_what_is_nested_too_deep_to_be_written_again_is_refused(levels: int, fits: bool) -> None:
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    value = json.dumps(MINIMAL | {"data": {"reason": None, "more": nested}}).encode()
    if fits:
        assert encode(read_command(Message(value), LIMIT))
    else:
        with pytest.raises(UndecodableError, match="levels deep"):
            read_command(Message(value), LIMIT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds its tables of characters
@given(st.dictionaries(st.sampled_from(["type", "id", "run_id", "at", "version", "data", "correlation_id"]), JSON))
def test_whatever_a_client_writes_is_read_or_refused_and_what_is_read_can_be_written(
    change: dict[str, Any],
) -> None:
    try:
        record = read_command(Message(json.dumps(MINIMAL | change).encode()), LIMIT)
    except UndecodableError:
        return
    assert decode(encode(record)).data == record.data


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    with pytest.raises(UndecodableError):
        read_command(Message(value), LIMIT)
