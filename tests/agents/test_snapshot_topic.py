"""Which of the snapshots that lie on their topic is taken, and which are passed over."""

from types import SimpleNamespace
from typing import Any

import pytest
from elexirion.agents.orchestrator import snapshot_topic
from elexirion.agents.orchestrator.snapshot_topic import PART_BYTES, Found, keys_of, parts_of
from elexirion.events import catalog
from elexirion.projections import snapshot_codec

from tests.projections.partition_log import PartitionLog
from tests.projections.snapshots import PARTITIONS, Followed, Topic

Messages = list[tuple[str, bytes | None]]


def log(*runs: int) -> PartitionLog:
    written = PartitionLog()
    for number in runs:
        written.start("a", run_id=f"run-{number}", command_id=f"start-{number}")
    return written


def messages(*lengths: int) -> Messages:
    """Snapshots after so many records, one after the other, as they are written; nothing is removed."""
    records, topic, followed = log(1, 2, 3).records, Topic(), Followed()
    for length in lengths:
        topic.documents |= whole(followed.read(records, length))
    return [
        (key, part)
        for name, value in topic.documents.items()
        for key, part in zip(keys_of(name, len(parts_of(value))), parts_of(value), strict=True)
    ]


def whole(followed: Followed) -> dict[str, bytes]:
    topic = Topic()
    topic.snapshot(followed)
    return topic.documents


def found(said: Messages) -> Found:
    lying = Found()
    for key, value in said:
        message: Any = SimpleNamespace(key=key.encode(), value=value)
        lying.take(message)
    return lying


def offset_of(lying: Found) -> int | None:
    newest = lying.newest(0)
    return newest.contents.offset if newest else None


def test_the_newest_one_is_taken() -> None:
    lying = found(messages(2, 6))
    assert offset_of(lying) == 6
    assert [one.contents.offset for one in lying.usable()] == [6, 2]
    assert lying.newest(0).log_partitions == PARTITIONS  # type: ignore[union-attr]


def test_one_of_which_a_document_is_missing_is_passed_over_for_the_one_before() -> None:
    said = [(key, value) for key, value in messages(2, 6) if "run/run-3" not in key]
    assert offset_of(found(said)) == 2


def test_a_document_that_was_removed_is_missing() -> None:
    said = messages(2, 6)
    [key] = [key for key, _ in said if "partition/" in key and key.endswith("6#0/1")]
    assert offset_of(found([*said, (key, None)])) == 2


def test_a_large_document_of_which_a_part_is_missing_is_missing() -> None:
    value = b"x" * (PART_BYTES + 1)
    said: Messages = list(zip(keys_of("run/a/1", 2), parts_of(value), strict=True))
    assert found(said).documents() == {"run/a/1": value}
    assert found(said[:1]).documents() == {}


def test_one_that_cannot_be_read_is_passed_over_for_the_one_before() -> None:
    said = [(key, b"{" if "run/run-3" in key else value) for key, value in messages(2, 6)]
    assert offset_of(found(said)) == 2


def one_fold_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_codec, "FOLD_VERSION", snapshot_codec.FOLD_VERSION + 1)


def another_event_in_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "ALL", tuple(entry for entry in catalog.ALL if entry.name != "StepStarted"))


def another_count_for_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_codec, "tally_to_json", lambda _: {"something new": 0})


def another_type_in_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_codec, "_HELD", snapshot_codec._FORKED)


@pytest.mark.parametrize(
    "change",
    [one_fold_later, another_event_in_the_catalogue, another_count_for_metrics, another_type_in_the_state],
)
def test_those_of_another_format_are_passed_over_and_counted(change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = messages(2, 6)
    change(monkeypatch)
    fresh = snapshot_codec.format_id.__wrapped__()
    monkeypatch.setattr(snapshot_topic, "format_id", lambda: fresh)
    lying = found(said)
    assert (lying.values, lying.others, offset_of(lying)) == ({}, len(said), None)


def test_a_run_whose_state_is_another_one_than_its_name_says_is_not_taken() -> None:
    said = messages(2, 6)
    [other] = [value for key, value in said if "run/run-1/" in key]
    said = [(key, other if "run/run-3" in key else value) for key, value in said]
    assert offset_of(found(said)) == 2
