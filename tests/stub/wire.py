"""What a wire format gives to the stub's player."""

from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from starlette.requests import Request

from tests.stub.call import Call
from tests.stub.script import Answer


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a stream; `chunk` is the number of the text chunk it carries, 0 if it carries none."""

    data: bytes
    chunk: int = 0


class WireFormat(Protocol):
    """One provider's format, on the side of the server."""

    def read(self, request: Request, body: dict[str, Any]) -> Call:
        """The call in a request; raises InvalidCallError as the real API would refuse it."""
        ...

    def stream(self, call: Call, answer: Answer) -> list[Piece]:
        """The whole event stream of an answer."""
        ...

    def whole(self, call: Call, answer: Answer) -> dict[str, Any]:
        """The answer as one document."""
        ...

    def error(self, status: int, name: str, message: str) -> dict[str, Any]:
        """An error document."""
        ...

    def error_event(self, answer: Answer) -> bytes:
        """An error inside a stream."""
        ...


def event(document: dict[str, Any], line_end: str, name: str | None = None) -> bytes:
    """A server-sent event with `document` as its data."""
    lines = [f"event: {name}"] if name else []
    lines.append(f"data: {orjson.dumps(document).decode()}")
    return (line_end.join(lines) + line_end * 2).encode()
