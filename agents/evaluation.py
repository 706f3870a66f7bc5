"""Templates and conditions that may take long, evaluated in processes with limits on time and memory.

The processes start on first need and stay warm. One that reaches a limit is killed and replaced;
evaluations in the others go on meanwhile. Time is counted as processor time of the evaluation, so that
a busy or suspended machine fails no innocent template; the wall clock is only the second guard.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from elexirion.pipelines.isolated import Isolated
from elexirion.pipelines.names import Scope, scope_as_json
from elexirion.pipelines.template_errors import TemplateError, TemplateLimitError

LENGTH_BYTES = 4
MAX_FRAME = 64 * 1024 * 1024
# How long a process may take to exit after its output has ended.
_EXIT_S = 2.0
_CHILD = "elexirion.agents.evaluation_child"
SCHEMA = "schema"
# The child needs to find the interpreter's packages and nothing else: no keys of providers.
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class EvaluationLimits:
    """Bounds of one evaluation."""

    cpu_s: float = 1.0
    wall_s: float = 5.0
    memory_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a schema says of a result: `mismatch` tells where it does not fit, and never what stands there.

    `refused` tells of a schema that is none; `read` is the data of a text that is JSON, where there was any.
    """

    mismatch: str | None = None
    refused: str | None = None
    read: Any = None
    was_read: bool = False


class EvaluationLimitExceeded(TemplateLimitError):  # noqa: N818 - what happened, like every event
    """An evaluation was cut; `bound` is "time", "memory", "output" or "operand"."""


class BoundedEvaluator:
    """A small pool of limited processes; `size` evaluations run at the same time, further ones wait."""

    def __init__(self, size: int = 2, limits: EvaluationLimits | None = None) -> None:
        self._limits = limits or EvaluationLimits()
        self._size = size
        self._slots: asyncio.LifoQueue[_Child | None] = asyncio.LifoQueue()
        self._children: set[_Child] = set()

    async def start(self, *, warm: bool = False) -> None:
        """Ready for calls; `warm` starts one process at once instead of on first need."""
        for _ in range(self._size):
            self._slots.put_nowait(None)
        if warm:
            child = await self._take()
            self._slots.put_nowait(child)

    async def stop(self) -> None:
        """Ends all processes, also those that evaluate."""
        for child in list(self._children):
            await self._end(child)

    async def call(self, isolated: Isolated, scope: Scope) -> Any:
        """The value of one source; raises TemplateError, or EvaluationLimitExceeded when it was cut."""
        request = {"kind": isolated.kind, "source": isolated.source, "scope": scope_as_json(scope)}
        return await self._asked(request, _told(isolated))

    async def fitted(self, value: Any, schema: Mapping[str, Any]) -> Fitted:
        """Whether a result fits its `output_schema`, whose patterns may run for ever; raises as `call` does."""
        answer = await self._asked({"kind": SCHEMA, "schema": schema, "value": value}, "check of output_schema")
        return Fitted(**answer)

    async def _asked(self, request: Mapping[str, Any], what: str) -> Any:
        child = await self._take()
        try:
            async with asyncio.timeout(self._limits.wall_s):
                answer = await child.ask(request)
        except TimeoutError:
            await self._replace(child)
            raise _cut("time", what) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            bound = await child.reason_of_end()
            await self._replace(child)
            raise _cut(bound, what) from None
        except BaseException:
            # Cancelled in the middle: the process may still evaluate, so it cannot be used again.
            await self._replace(child)
            raise
        if answer.get("bound") == "memory":
            await self._replace(child)
        else:
            self._slots.put_nowait(child)
        return _value(answer, what)

    async def evaluate(self, sources: Iterable[Isolated], scope: Scope) -> dict[Isolated, Any]:
        """The values of several sources, one after another; raises as `call` does."""
        return {isolated: await self.call(isolated, scope) for isolated in sources}

    async def _take(self) -> "_Child":
        slot = await self._slots.get()
        try:
            if slot is not None and slot.alive:
                return slot
            if slot is not None:
                await self._end(slot)
            child = await _Child.spawn(self._limits)
        except BaseException:
            self._slots.put_nowait(None)
            raise
        self._children.add(child)
        return child

    async def _replace(self, child: "_Child") -> None:
        self._slots.put_nowait(None)
        await self._end(child)

    async def _end(self, child: "_Child") -> None:
        self._children.discard(child)
        await child.end()


def _told(isolated: Isolated) -> str:
    source = isolated.source if len(isolated.source) <= 80 else isolated.source[:77] + "..."
    return f"{isolated.kind} `{source}`"


def _cut(bound: str, what: str) -> EvaluationLimitExceeded:
    return EvaluationLimitExceeded(bound, f"the {what} reached its limit of {bound}")


def _value(answer: Mapping[str, Any], what: str) -> Any:
    if "value" in answer:
        return answer["value"]
    if "bound" in answer:
        raise _cut(answer["bound"], what)
    raise TemplateError(answer["error"])


class _Child:
    """One process; asked one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def spawn(cls, limits: EvaluationLimits) -> "_Child":
        arguments = (str(limits.cpu_s), str(limits.memory_bytes))
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _CHILD,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            # Ctrl-C belongs to the parent, which drains; the child ends when its input does.
            start_new_session=True,
        )
        child = cls(process)
        try:
            await child._read()
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        frame = json.dumps(request).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(len(frame).to_bytes(LENGTH_BYTES, "big") + frame)
        await self._process.stdin.drain()
        return await self._read()

    async def reason_of_end(self) -> str:
        """Which bound ended a process whose output has ended."""
        with contextlib.suppress(TimeoutError):
            # Killing it now would take its exit code away from the event loop.
            await asyncio.wait_for(self._process.wait(), _EXIT_S)
        return "time" if self._process.returncode == -signal.SIGPROF else "memory"

    async def end(self) -> None:
        """Kills the process, if it still lives, and waits for its end."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    async def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = int.from_bytes(await self._process.stdout.readexactly(LENGTH_BYTES), "big")
        answer: dict[str, Any] = json.loads(await self._process.stdout.readexactly(length))
        return answer
