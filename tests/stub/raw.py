"""A server below HTTP, for what no ASGI application can say: bytes as scripted, at their pace, and ends of all kinds.

The first part of a request's path names the answer; what begins a TLS handshake gets the one named `tls`.
"""

import asyncio
import re
import socket
import struct
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

_TLS_HANDSHAKE = b"\x16"
_NAME = re.compile(rb"^[A-Z]+ /([\w-]+)/")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class _Scripted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class RawPart(_Scripted):
    """`data`, sent `times` times over, each time after `pause_s` seconds."""

    data: bytes
    times: int = 1
    pause_s: float = 0


class RawAnswer(_Scripted):
    """Parts in order, and how the connection ends: with FIN, with RST, or not until the client leaves."""

    parts: tuple[RawPart, ...] = ()
    end: Literal["fin", "rst", "hang"] = "fin"


ANSWERS = TypeAdapter(dict[str, RawAnswer])


class RawServer:
    """Plays raw answers by their names."""

    def __init__(self) -> None:
        self._answers: dict[str, RawAnswer] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on any free port of this machine; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def add(self, text: bytes) -> None:
        """Add the answers in a JSON object; raises pydantic's ValidationError."""
        self._answers |= ANSWERS.validate_json(text)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            answer = self._answers[await _asked(reader)]
            for part in answer.parts:
                for _ in range(part.times):
                    await asyncio.sleep(part.pause_s)
                    writer.write(part.data)
                    await writer.drain()
            if answer.end == "hang":
                await reader.read()
            if answer.end == "rst":
                # A linger time of zero makes the kernel answer with RST instead of FIN.
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
        writer.close()


async def _asked(reader: asyncio.StreamReader) -> str:
    """The name of the answer that a request asks for, having read all of the request."""
    first = await reader.readexactly(1)
    if first == _TLS_HANDSHAKE:
        return "tls"
    head = first + await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    name = _NAME.match(head)
    return name[1].decode() if name else ""
