"""Which connection a request takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from elexirion.agents.providers import transport
from elexirion.agents.providers.deadlines import Deadlines
from elexirion.agents.providers.transport import Post, Transport

SERVERS_CLOSE_IDLE_S = 5.0
"""What uvicorn (`--timeout-keep-alive`) and Node (`server.keepAliveTimeout`) do unless told otherwise."""
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def counting_server() -> AsyncIterator[tuple[str, list[int]]]:
    """A server that never closes a connection; yields its address and the requests of each connection."""
    requests: list[int] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(requests)
        requests.append(0)
        while head := await reader.read(65_536):
            requests[number] += head.count(b"POST ")
            writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", requests


async def ask_twice() -> list[int]:
    async with counting_server() as (url, requests):
        asked = Transport(2, Deadlines())
        for _ in range(2):
            assert await asked.document(Post(url, {}, {}, timeout_s=5)) == {}
        await asked.aclose()
        return requests


async def test_the_next_request_takes_the_connection_of_the_one_before() -> None:
    assert await ask_twice() == [2]


async def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "IDLE_CONNECTION_S", 0.0)
    assert await ask_twice() == [1, 1]


def test_a_connection_is_given_up_before_a_server_closes_it() -> None:
    assert transport.IDLE_CONNECTION_S <= SERVERS_CLOSE_IDLE_S - 1
