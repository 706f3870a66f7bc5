"""Plays an answer to a client: delays, pieces and faults as scripted, each change of state noted in the ledger."""

import asyncio
import socket
import struct
from collections import defaultdict

import anyio
import orjson
from starlette.types import Receive, Scope, Send

from tests.stub.call import Call
from tests.stub.ledger import Ledger
from tests.stub.script import Answer
from tests.stub.wire import Piece, WireFormat

_BROKEN = {"json": b'data: {"type": "content_', "utf8": b'data: {"type": "\xff\xfe"}', "shape": b'data: ["a", 1]'}


class Holds:
    """Named gates at which scripted answers wait."""

    def __init__(self) -> None:
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def passed(self, name: str) -> None:
        """Wait until the gate is open."""
        await self._gates[name].wait()

    def release(self, name: str) -> None:
        """Open the gate, now and for those who come later."""
        self._gates[name].set()

    def clear(self) -> None:
        """Close all gates, letting those who wait go on."""
        for gate in self._gates.values():
            gate.set()
        self._gates.clear()


class _CutError(Exception):
    """The connection was cut as scripted."""


class Playback:
    """An ASGI response that plays one answer."""

    def __init__(self, wire: WireFormat, call: Call, answer: Answer, ledger: Ledger, holds: Holds) -> None:
        self._wire = wire
        self._call = call
        self._answer = answer
        self._ledger = ledger
        self._holds = holds
        self._request = ledger.open(call)
        self._spoke = False
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, receive, tasks.cancel_scope)
            try:
                detail = await self._play(send)
            except _CutError:
                self._ended = True
                detail = "cut"
                self._ledger.note(self._request, self._call, "closed", detail)
                _cut(scope["state"]["transport"], self._answer.cut)
            else:
                self._ledger.note(self._request, self._call, "closed", detail)
            tasks.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if self._ended:  # the server tells every end of an exchange in this way, also a good one
            return
        self._ledger.note(self._request, self._call, "client-disconnected")
        scope.cancel()

    async def _play(self, send: Send) -> str:
        answer = self._answer
        await anyio.sleep(answer.delay_headers_s)
        if answer.status != 200:
            body = answer.body if answer.body is not None else self._error_body()
            await self._document(send, answer.status, body.encode())
            return f"status {answer.status}"
        if self._call.stream:
            await self._stream(send)
        else:
            await self._document(send, 200, self._whole())
        return "complete"

    def _error_body(self) -> str:
        return orjson.dumps(self._wire.error(self._answer.status, "", self._answer.error_message)).decode()

    def _whole(self) -> bytes:
        body = orjson.dumps(self._wire.whole(self._call, self._answer))
        return body if self._answer.malformed_after_chunk is None else _BROKEN[self._answer.malformed]

    async def _document(self, send: Send, status: int, body: bytes) -> None:
        headers = {"content-type": "application/json", "content-length": str(len(body)), **self._answer.headers}
        await _start(send, status, headers)
        await anyio.sleep(self._answer.delay_first_byte_s)
        if self._answer.cut_after_chunk is not None:
            await self._say(send, body[: len(body) // 2], last=False)
            raise _CutError
        await self._say(send, body, last=True)

    async def _stream(self, send: Send) -> None:
        await _start(send, 200, {"content-type": "text/event-stream; charset=utf-8", **self._answer.headers})
        await anyio.sleep(self._answer.delay_first_byte_s)
        pieces = self._wire.stream(self._call, self._answer)
        first = next((index for index, piece in enumerate(pieces) if piece.chunk), len(pieces))
        for index, piece in enumerate(pieces):
            if index == first:
                await self._faults(send, 0)
            await self._pause(piece)
            await self._slices(send, piece.data, last=piece is pieces[-1] and not self._faulty(piece))
            if piece.chunk:
                await self._faults(send, piece.chunk)
        if self._faulty(pieces[-1]):
            await self._say(send, b"", last=True)

    async def _pause(self, piece: Piece) -> None:
        if piece.chunk:
            await anyio.sleep(self._answer.delay_chunk_s)
            if piece.chunk == self._answer.hold_before_chunk:
                await self._holds.passed(self._answer.hold)

    def _faulty(self, piece: Piece) -> bool:
        answer = self._answer
        return piece.chunk > 0 and piece.chunk in (answer.error_after_chunk, answer.malformed_after_chunk)

    async def _faults(self, send: Send, chunk: int) -> None:
        answer = self._answer
        if chunk == answer.malformed_after_chunk:
            await self._slices(send, _BROKEN[answer.malformed] + answer.line_end.encode() * 2, last=False)
        if chunk == answer.error_after_chunk:
            await self._slices(send, self._wire.error_event(answer), last=False)
        if chunk == answer.cut_after_chunk:
            raise _CutError

    async def _slices(self, send: Send, data: bytes, *, last: bool) -> None:
        size = self._answer.split_bytes or len(data) or 1
        slices = [data[i : i + size] for i in range(0, len(data), size)]
        for index, one in enumerate(slices):
            await self._say(send, one, last=last and index == len(slices) - 1)

    async def _say(self, send: Send, data: bytes, *, last: bool) -> None:
        if data and not self._spoke:
            self._spoke = True
            self._ledger.note(self._request, self._call, "first-byte")
        self._ended = last
        await send({"type": "http.response.body", "body": data, "more_body": not last})


async def _start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _cut(transport: asyncio.Transport, how: str) -> None:
    if how == "fin":
        transport.close()
        return
    # A linger time of zero makes the kernel answer with RST instead of FIN.
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
