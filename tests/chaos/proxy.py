"""A TCP proxy before one of the broker's ways in: it delays, swallows, cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from elexirion.console.broker.configuration import HOST, Listener

from tests.chaos.broker import OwnBroker

PIECE = 65536


class Proxy:
    """Passes on what it hears, after `delay_s`; while it is closed nothing at all, as a network that lost its way.

    What was held back arrives once it is open again, unless the connection was cut or given up meanwhile.
    """

    def __init__(self, way: Listener) -> None:
        self.delay_s = 0.0
        self.address = f"{HOST}:{way.advertised}"
        self._way = way
        self._open = asyncio.Event()
        self._open.set()
        self._connections: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Proxy]:
        """Listen at the advertised port."""
        server = await asyncio.start_server(self._connect, HOST, self._way.advertised)
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def close(self) -> None:
        """From now on a black hole: connections stand, and nothing passes in either direction."""
        self._open.clear()

    def heal(self) -> None:
        """Pass everything on at once."""
        self.delay_s = 0.0
        self._open.set()

    def cut(self) -> None:
        """Reset every connection."""
        for task, writers in list(self._connections.items()):
            for writer in writers:
                writer.transport.abort()
            task.cancel()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = (writer,)
        try:
            await self._open.wait()
            there, back = await asyncio.open_connection(HOST, self._way.port)
            self._connections[task] = (writer, back)
            await asyncio.wait(
                [asyncio.create_task(self._pass(reader, back)), asyncio.create_task(self._pass(there, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except (OSError, asyncio.CancelledError):
            pass  # the broker is away, or it was cut
        finally:
            for one in self._connections.pop(task):
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(PIECE):
                await asyncio.sleep(self.delay_s)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            return


@asynccontextmanager
async def proxies(broker: OwnBroker) -> AsyncIterator[Mapping[str, Proxy]]:
    """One for each role."""
    async with AsyncExitStack() as stack:
        yield {role: await stack.enter_async_context(Proxy(way).serving()) for role, way in broker.ways.items()}
