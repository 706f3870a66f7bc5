"""A run in the hands of a program: its result, its text, its end."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, Literal, Protocol

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.client.chunks import Chunk
from elexirion.client.errors import CommandRejectedError
from elexirion.client.following import RunPlace, Update, follow
from elexirion.client.results import RunResult, result_of
from elexirion.client.run_log import Entry
from elexirion.events.commands import CancelRun, ForkRun, PauseRun, PipelineReference, ResumeRun, RetryRun, Signal
from elexirion.events.identifiers import new_run_id
from elexirion.events.record_model import RecordModel
from elexirion.events.run import CommandRejected, RunForked
from elexirion.events.values import Value
from elexirion.projections.partition import carried_out
from elexirion.projections.run_state import RunState


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

    async def started(self, timeout: float | None = 30.0) -> RunState:
        """Wait until the log says that the run exists, which may wait for its `start_at` then.

        Raises CommandRejectedError where the StartRun of this handle was rejected, TimeoutError, KafkaProblem.
        """
        async with asyncio.timeout(timeout):
            async with aclosing(self.updates(chunks=False)) as updates:
                async for update in updates:
                    if isinstance(update, Entry) and update.state is not None:
                        return update.state
        raise AssertionError("unreachable: updates go on to the end of the run")

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

    async def pause(self, reason: str | None = None, timeout: float | None = 30.0) -> RunState:
        """Let open executions end and start nothing new; the run as the log says that it is paused.

        Raises CommandRejectedError where the run is not running, TimeoutError after `timeout` seconds.
        """
        return _run_of(await self.command(PauseRun(reason=reason), timeout))

    async def resume(self, timeout: float | None = 30.0) -> RunState:
        """Go on with a paused run. Raises CommandRejectedError where it is not paused, TimeoutError."""
        return _run_of(await self.command(ResumeRun(), timeout))

    async def signal(
        self, name: Literal["approve", "reject"], *, step: str | None = None, value: Any = None,
        timeout: float | None = 30.0,
    ) -> str:  # fmt: skip
        """Answer the step that waits for it, whose name is returned; `step` names one of several.

        The step's result has the `value`.

        Raises CommandRejectedError where no step waits, or several do; TimeoutError after `timeout` seconds.
        """
        taken = await self.command(Signal(name=name, value=_addressed(step, value)), timeout)
        return str(taken.record.raw["step"]) if taken.record else ""

    async def retry(
        self, *, from_step: str | None = None, run_id: str | None = None, timeout: float | None = 60.0
    ) -> "tuple[RunHandle, RunForked]":
        """A new run that takes the results of this one, which failed, and goes on from the failed step.

        Raises CommandRejectedError with the reason, TimeoutError after `timeout` seconds.
        """
        return await self._fork(RetryRun(new_run_id=run_id or new_run_id(), from_step=from_step), timeout)

    async def fork(
        self, from_step: str, *, variables: Mapping[str, Any] | None = None, run_id: str | None = None,
        pipeline: PipelineReference | None = None, timeout: float | None = 60.0,
    ) -> "tuple[RunHandle, RunForked]":  # fmt: skip
        """A new run that takes the results above `from_step`; `variables` override inputs, else variables.

        `pipeline` is a changed one in place of that in the log: what stands above `from_step` there is taken over
        where the run has a step of that name and type. Raises CommandRejectedError with the reason, TimeoutError after
        `timeout` seconds.
        """
        new = run_id or new_run_id()
        command = ForkRun(new_run_id=new, from_step=from_step, variables=dict(variables or {}), pipeline=pipeline)
        return await self._fork(command, timeout)

    async def _fork(self, command: RetryRun | ForkRun, timeout: float | None) -> "tuple[RunHandle, RunForked]":
        entry = await self.command(command, timeout)
        assert entry.record is not None and isinstance(entry.record.data, RunForked)
        new = await self._client.following(command.new_run_id, entry.broker_at)
        new.command_id = entry.record.data.start_command_id
        return new, entry.record.data

    async def command(self, data: RecordModel, timeout: float | None = 30.0) -> Entry:
        """Publish a command to the run and wait for its outcome: the record by which it counts.

        Raises CommandRejectedError with the reason, TimeoutError after `timeout` seconds, KafkaProblem.
        """
        command_id = await self._client.send(self.run_id, data)
        async with asyncio.timeout(timeout):
            updates = follow(self._client.address, self._place, chunks=False, past_end=True)
            async with aclosing(updates):
                async for update in updates:
                    if isinstance(update, Entry) and update.record and update.refused is None:
                        _refuse_rejected(update, command_id)
                        if carried_out(update.record.data) == command_id:
                            return update
        raise AssertionError("unreachable: updates go on past the end of the run")


def _run_of(entry: Entry) -> RunState:
    assert entry.state is not None, "a command to a run counts after the run's start"
    return entry.state


def _addressed(step: str | None, value: Any) -> Any:
    """The value of a signal that says which step it is for."""
    if step is None or (isinstance(value, dict) and value.get("step") == step):
        return value
    return {"step": step, **(value if isinstance(value, dict) else {} if value is None else {"value": value})}


def _refuse_rejected(entry: Entry, command_id: str | None) -> None:
    data = entry.record.data if entry.record and entry.refused is None else None
    if isinstance(data, CommandRejected) and data.command_id == command_id:
        assert entry.record is not None
        raise CommandRejectedError(entry.record.run_id, data.command_id, data.reason_code, data.reason)
