"""How large an answer may be, and the reading of its bytes within that: unpacked, bounded, and checked as UTF-8."""

import codecs
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
from elexirion.agents.providers.failures import CallError

_PIECE = 65_536
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_BLANK_LINES = (b"\n\n", b"\r\r", b"\r\n\r\n")
_UNPACKED = {"", "identity"}
_PACKED = {"gzip", "x-gzip", "deflate"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes of an answer after unpacking: of one document, of a whole stream, and of one event in it.

    The longest answers of today have 128 thousand tokens: about 0.5 MB of text, and 40 MB as a stream that spends 300
    bytes on each. An event may hold all arguments of a function, with every character escaped.
    """

    document_bytes: int = 8 * 1024 * 1024
    stream_bytes: int = 64 * 1024 * 1024
    event_bytes: int = 2 * 1024 * 1024


class BoundedStream(httpx.AsyncByteStream):
    """A response body without compression, of at most `bounds`; raises CallError where it is more.

    No compression is asked for; a server that packs all the same is read, 64 KiB at a time, so that a small answer
    cannot unpack to a large one unseen. Bytes that are not UTF-8 are refused: httpx would replace them silently, and
    the text would be wrong.
    """

    def __init__(self, inner: httpx.AsyncByteStream, encoding: str, bounds: Bounds, *, streaming: bool) -> None:
        self._inner = inner
        self._encoding = encoding.strip().lower()
        self._body = 0
        self._body_limit = bounds.stream_bytes if streaming else bounds.document_bytes
        self._event = 0
        self._event_limit = bounds.event_bytes if streaming else bounds.document_bytes
        self._before = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._encoding not in _UNPACKED | _PACKED:
            raise CallError("bad_response", "the answer is compressed in a way that was not asked for")
        unpacked = _Inflater() if self._encoding in _PACKED else None
        utf8 = codecs.getincrementaldecoder("utf-8")()
        async for raw in self._inner:
            for piece in unpacked.pieces(raw) if unpacked is not None else (raw,):
                self._measure(piece)
                utf8.decode(piece)
                yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _measure(self, piece: bytes) -> None:
        self._body += len(piece)
        if self._body > self._body_limit:
            raise CallError("bad_response", f"the answer is longer than {self._body_limit} bytes")
        # An event ends with a blank line, which may have come in part with the piece before.
        seen = self._before + piece
        since = len(seen) - max(seen.rfind(end) for end in _BLANK_LINES)
        self._event = self._event + len(piece) if since > len(seen) else since
        self._before = seen[-3:]
        if self._event > self._event_limit:
            raise CallError("bad_response", f"an event of the answer is longer than {self._event_limit} bytes")


class _Inflater:
    """Unpacks gzip and zlib in pieces of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """What `raw` adds; raises zlib.error where it is not packed as its header said."""
        while True:
            piece = self._member.decompress(raw, _PIECE)
            if piece:
                yield piece
            if self._member.eof:
                raw, self._member = self._member.unused_data, zlib.decompressobj(_GZIP_OR_ZLIB)
            else:
                raw = self._member.unconsumed_tail
            if not raw and len(piece) < _PIECE:
                return
