"""An answer is read within bounds: unpacked, measured and checked as it comes, however its bytes are cut."""

import gzip
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from elexirion.agents.providers.bounds import BoundedStream, Bounds
from elexirion.agents.providers.failures import CallError, kind_of_exception
from hypothesis import given
from hypothesis import strategies as st

SMALL = Bounds(document_bytes=100, stream_bytes=1000, event_bytes=50)


class Pieces(httpx.AsyncByteStream):
    """A body in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def read(*pieces: bytes, encoding: str = "", bounds: Bounds = SMALL, streaming: bool = True) -> bytes:
    stream = BoundedStream(Pieces(*pieces), encoding, bounds, streaming=streaming)
    return b"".join([piece async for piece in stream])


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
@given(text=st.text(), cut=st.integers(0, 200))
async def test_a_packed_answer_is_read_however_it_is_cut(packed: object, text: str, cut: int) -> None:
    assert callable(packed)
    whole = packed(text.encode())
    encoding = "gzip" if packed is gzip.compress else "Deflate "
    assert await read(whole[:cut], whole[cut:], encoding=encoding, bounds=Bounds()) == text.encode()


async def test_a_packed_answer_in_two_members_is_one() -> None:
    assert await read(gzip.compress(b"a") + gzip.compress(b"b"), encoding="x-gzip") == b"ab"


async def test_a_small_body_that_unpacks_to_a_large_one_is_unpacked_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    stream = BoundedStream(Pieces(bomb), "gzip", Bounds(), streaming=False)
    sizes: list[int] = []
    with pytest.raises(CallError, match="bad_response"):
        async for piece in stream:
            sizes.append(len(piece))  # they are wanted although it raises
    assert max(sizes) <= 65_536
    assert sum(sizes) <= Bounds().document_bytes


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("blank", [b"\n\n", b"\r\r", b"\r\n\r\n"])
async def test_many_events_are_no_long_one_wherever_they_are_cut(blank: bytes, size: int) -> None:
    body = (b"data: 12345678901234567890" + blank) * 20
    assert await read(*(body[i : i + size] for i in range(0, len(body), size))) == body


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_an_event_longer_than_its_bound_is_refused(size: int) -> None:
    body = b"data: a\n\n" + b"data: 4567\n" * 6
    with pytest.raises(CallError) as raised:
        await read(*(body[i : i + size] for i in range(0, len(body), size)))
    assert raised.value.message == "an event of the answer is longer than 50 bytes"


@pytest.mark.parametrize(("streaming", "size"), [(True, 1001), (False, 101)])
async def test_a_body_longer_than_its_bound_is_refused(streaming: bool, size: int) -> None:
    body = (b":\n\n" * 400)[:size]
    assert await read(body[:-1], streaming=streaming) == body[:-1]
    with pytest.raises(CallError, match="bad_response"):
        await read(body, streaming=streaming)


async def test_bytes_that_are_not_utf8_are_refused() -> None:
    assert await read("ü".encode()[:1], "ü".encode()[1:]) == "ü".encode()
    with pytest.raises(UnicodeDecodeError):
        await read(b"\xff")


async def test_what_is_packed_otherwise_than_it_says_is_a_bad_response() -> None:
    with pytest.raises(zlib.error) as raised:
        await read(b"plain", encoding="gzip")
    assert kind_of_exception(type(raised.value)) == "bad_response"
    with pytest.raises(CallError, match="bad_response"):
        await read(b"packed", encoding="zstd")
