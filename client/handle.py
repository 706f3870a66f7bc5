"""A run in the hands of a program: its result, its text, its end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.client.chunks import Chunk
from elexirion.client.errors import CommandRejectedError
from elexirion.client.following import RunPlace, Update, follow
from elexirion.client.results import RunResult, result_of
from elexirion.client.run_log import Entry
from elexirion.events.commands import CancelRun
from elexirion.events.record_model import RecordModel
from elexirion.events.run import CommandRejected
from elexirion.events.values import Value


class Connection(Protocol):
    """What a handle needs of its client."""

    address: KafkaAddress

    async def send(self, run_id: str, command: RecordModel, command_id: str | None = None) -> str:
        """Publish a command; its id."""
        ...

    async def load(self, value: Value) -> object:
        """A value, also a stored one."""
        ...

    async def following(self, run_id: str, since: datetime) -> "RunHandle":
        """The next run of a chain."""
        ...


class RunHandle:
    """A run by its id. Every method reads the log anew; nothing depends on having listened before.

    `command_id` is the id of the StartRun where this process sent it.
    """

    def __init__(self, client: Connection, place: RunPlace, command_id: str | None = None) -> None:
        self.run_id = place.run_id
        self.command_id = command_id
        self._client = client
        self._place = place

    async def result(self, timeout: float | None = None) -> RunResult:
        """Wait for the run's end, at most `timeout` seconds.

        Raises TimeoutError, CommandRejectedError where the StartRun of this handle was rejected, KafkaProblem.
        """
        async with asyncio.timeout(timeout):
            async with aclosing(self.updates(chunks=False)) as updates:
                async for update in updates:
                    if isinstance(update, Entry) and update.state is not None and update.state.ended:
                        return await result_of(update.state, self._client.load)
        raise AssertionError("unreachable: updates end with the run")

    async def chain(self, timeout: float | None = None) -> list[RunResult]:
        """The results of this run and of those that it chains to, in order, up to the first that did not complete.

        Raises as `result` does; `timeout` in seconds holds for all together.
        """
        async with asyncio.timeout(timeout):
            handle: RunHandle = self
            results = [await handle.result()]
            while (following := results[-1].next_run_id) and results[-1].completed:
                handle = await self._client.following(following, results[-1].started_at)
                results.append(await handle.result())
        return results

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """The streamed text of all steps, as it comes, until the run ends."""
        async with aclosing(self.updates()) as updates:
            async for update in updates:
                if isinstance(update, Chunk):
                    yield update

    async def updates(self, *, chunks: bool = True, since: int = 0) -> AsyncGenerator[Update, None]:
        """Every record of the run with what the fold says of it and, between them, the chunks, until its end.

        `since` leaves out what stands before that offset of `events`. Raises CommandRejectedError where the
        StartRun of this handle was rejected, KafkaProblem.
        """
        shown = False
        async with aclosing(follow(self._client.address, self._place, chunks=chunks)) as updates:
            async for update in updates:
                if isinstance(update, Entry):
                    _refuse_rejected(update, self.command_id)
                    shown = shown or update.offset >= since
                if shown:
                    yield update

    async def cancel(self, reason: str | None = None, timeout: float | None = 30.0) -> None:
        """Ask for the run's end; returns when the log says that it has ended, by this command or otherwise.

        Raises CommandRejectedError where there is no such run, TimeoutError after `timeout` seconds.
        """
        command_id = await self._client.send(self.run_id, CancelRun(reason=reason))
        async with asyncio.timeout(timeout):
            async with aclosing(follow(self._client.address, self._place, chunks=False)) as updates:
                async for update in updates:
                    if isinstance(update, Entry):
                        _refuse_rejected(update, command_id)


def _refuse_rejected(entry: Entry, command_id: str | None) -> None:
    data = entry.record.data if entry.record and entry.refused is None else None
    if isinstance(data, CommandRejected) and data.command_id == command_id:
        assert entry.record is not None
        raise CommandRejectedError(entry.record.run_id, data.command_id, data.reason_code, data.reason)
