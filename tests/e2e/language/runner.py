"""Pipelines as text in, ended runs out: commands and log over the client, as any program would do it."""

from __future__ import annotations

import asyncio
import textwrap
import uuid
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from elexirion.client import Client, Entry, RunHandle, RunResult, StepResult
from elexirion.client.results import result_of
from elexirion.events.commands import PipelineReference, RunSource, Signal
from elexirion.events.record_model import RecordModel
from elexirion.projections.run_state import RunState

M = TypeVar("M", bound=RecordModel)
WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over: what it came to, and the accepted records of its log in order."""

    run: RunResult
    entries: tuple[Entry, ...]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.run.run_id

    @property
    def state(self) -> RunState:
        """The run at its end."""
        state = self.entries[-1].state
        assert state is not None
        return state

    @property
    def result(self) -> Any:
        """The run's result."""
        return self.run.result

    def step(self, path: str) -> StepResult:
        """The step at a path, such as `outer/0/inner`."""
        return next(step for step in self.run.steps if step.name == path)

    def value(self, path: str) -> Any:
        """The result of a step that completed."""
        step = self.step(path)
        assert step.status == "completed", f"{path} is {step.status}: {step.error or step.skip_reason}"
        return step.result

    def of(self, model: type[M]) -> list[M]:
        """The data of all accepted records of a kind."""
        return [data for entry in self.entries if isinstance(data := _data(entry), model)]


class Runner:
    """Starts pipelines from a folder of their own, in which their relative paths begin."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self.folder = folder

    def file(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    async def begin(
        self, text: str, inputs: dict[str, Any] | None = None, then: Iterable[str] = (), *, offline: bool = False
    ) -> RunHandle:
        """Publish a StartRun of this YAML."""
        following = [self.reference(one) for one in then]
        run_id = f"language-{uuid.uuid4().hex[:8]}"
        first = self.reference(text)
        return await self.client.start(first, inputs=inputs, then=following, run_id=run_id, offline=offline)

    async def end(self, handle: RunHandle, within_s: float = WITHIN_S) -> Ended:
        """Wait until a run is over; raises CommandRejectedError where its start was refused."""
        entries: list[Entry] = []
        try:
            async with asyncio.timeout(within_s), aclosing(handle.updates(chunks=False)) as updates:
                async for update in updates:
                    if isinstance(update, Entry):
                        entries.append(update)
        except TimeoutError:
            said = "\n".join(f"  {entry.record.type} {entry.record.raw}" for entry in entries if entry.record)
            raise AssertionError(f"{handle.run_id} did not end within {within_s:g} s:\n{said}") from None
        state = entries[-1].state
        assert state is not None
        return Ended(await result_of(state, self.client.load), tuple(entries))

    async def ended(self, text: str, inputs: dict[str, Any] | None = None, within_s: float = WITHIN_S) -> Ended:
        """Run it to its end, whatever that is."""
        return await self.end(await self.begin(text, inputs), within_s)

    async def completed(self, text: str, inputs: dict[str, Any] | None = None, within_s: float = WITHIN_S) -> Ended:
        """Run it to its good end."""
        ended = await self.ended(text, inputs, within_s)
        assert ended.run.completed, f"the run {ended.run.status}: {ended.run.failed_step}: {ended.run.failure}"
        return ended

    async def failed(self, text: str, inputs: dict[str, Any] | None = None, within_s: float = WITHIN_S) -> Ended:
        """Run it to its failure."""
        ended = await self.ended(text, inputs, within_s)
        assert ended.run.status == "failed", f"the run {ended.run.status}: {ended.result}"
        return ended

    async def signal(self, run_id: str, name: str, value: Any = None) -> None:
        """Publish a Signal."""
        await self.client.send(run_id, Signal(name=name, value=value))

    async def until(self, handle: RunHandle, model: type[M], count: int = 1) -> M:
        """The first accepted record of a kind, or the last of the first `count`, while the run goes on."""
        async with asyncio.timeout(WITHIN_S), aclosing(handle.updates(chunks=False)) as updates:
            async for update in updates:
                if isinstance(update, Entry) and isinstance(data := _data(update), model):
                    count -= 1
                    if count == 0:
                        return data
        raise AssertionError(f"{handle.run_id} ended without {model.__name__}")

    async def child(self, run_id: str) -> Ended:
        """A run that another one started, to its end."""
        return await self.end(self.client.run(run_id))

    def reference(self, text: str) -> PipelineReference:
        folder = str(self.folder)
        return PipelineReference(pipeline=textwrap.dedent(text), source=RunSource(folder=folder, cwd=folder))


def _data(entry: Entry) -> object:
    return entry.record.data if entry.record and entry.of_run else None
