"""A dead letter holds the bytes that could not be read, up to a bound, and says how many there were."""

from datetime import UTC, datetime

import pytest
from elexirion.events.codec import UndecodableError
from elexirion.events.dead_letter import EXCERPT_BYTES, Buried, DeadLetter, Redriven, read_dead_letter
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_come_out_as_they_went_in(value: bytes) -> None:
    letter = DeadLetter("commands", 3, 14, "not JSON", b"key", value)
    assert read_dead_letter(letter.encode()) == Buried("commands", 3, 14, "not JSON", len(value), value)


@pytest.mark.parametrize("unit", [b"x", "é".encode(), b"\xff"])
def test_a_large_record_is_kept_up_to_the_bound(unit: bytes) -> None:
    value = b"_" + unit * EXCERPT_BYTES
    read = read_dead_letter(DeadLetter("commands", 0, 0, "too large", None, value).encode())
    assert isinstance(read, Buried)
    assert (read.value, read.size, read.whole) == (value[:EXCERPT_BYTES], len(value), False)


def test_the_mark_of_a_redrive_comes_out_as_it_went_in() -> None:
    mark = Redriven(0, 12, "commands", 3, 99, AT)
    assert read_dead_letter(mark.encode()) == mark


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b'{"type": "DeadLetter"}', b'{"type": "Other"}',
                                   b'{"type":"DeadLetter","topic":"t","partition":0,"offset":0,"reason":"r",'
                                   b'"size":1,"value":"!","encoding":"base64"}'])  # fmt: skip
def test_what_is_no_dead_letter_is_said_to_be_none(value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        read_dead_letter(value)
