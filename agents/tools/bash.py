"""Bash: a command in the workspace, only where the operator enabled it.

The command runs as the worker's own user. The workspace is where it starts, not a wall around it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from elexirion.agents.tools.tool import Arguments, ToolFailed, TypedTool
from elexirion.agents.worker.workspace import Workspace
from pydantic import Field

MAX_OUTPUT_BYTES = 50_000
_PIECE = 65_536
# What a killed group leaves in the pipe is read at once; a process that left the group could hold the pipe open.
_REST_S = 1.0


class BashArguments(Arguments):
    """What to run, and how long at most."""

    command: str = Field(min_length=1, max_length=20_000, description="The command line, run by bash.")
    timeout: int | None = Field(None, ge=1, description="Milliseconds after which it is ended.")


def bash(*, allowed: bool, timeout_s: float) -> TypedTool[BashArguments]:
    """The tool; without `allowed` it is offered and answers that it is not enabled. `timeout_s` is the longest time."""

    async def act(arguments: BashArguments, workspace: Workspace) -> str:
        if not allowed:
            raise ToolFailed("Bash is not enabled by the operator (ELEXIRION_ALLOW_BASH): go on without it")
        asked_s = timeout_s if arguments.timeout is None else arguments.timeout / 1000
        return await _run(arguments.command, workspace, min(asked_s, timeout_s))

    said = "Runs a command with bash in the workspace and gives its output."
    return TypedTool("Bash", said, BashArguments, act, enabled=allowed)


async def _run(command: str, workspace: Workspace, timeout_s: float) -> str:
    said = bytearray()
    timed_out = False
    async with _output() as (output, write):
        process = await _started(command, workspace, write)
        reading = asyncio.create_task(_collect(output, said))
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            timed_out = True
        finally:
            _kill(process.pid)
            await process.wait()
            await asyncio.wait({reading}, timeout=_REST_S)
            reading.cancel()
    return _answer(said, process.returncode, f"ended after {timeout_s:g} s" if timed_out else None)


@asynccontextmanager
async def _output() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A pipe of our own, whose end for writing is closed by whoever passes it on.

    With asyncio's pipe a process would count as running while something in its background holds the pipe.
    """
    read, write = os.pipe()
    output = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(output)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(read, "rb", 0))
    try:
        yield output, write
    finally:
        transport.close()


async def _started(command: str, workspace: Workspace, write: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            "/bin/bash", "-c", command, cwd=workspace.start, env=_environment(workspace), start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=write, stderr=write,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise ToolFailed(f"the command could not be started: {type(error).__name__}") from error
    finally:
        os.close(write)


async def _collect(output: asyncio.StreamReader, said: bytearray) -> None:
    """Read all output, so that the command is not held up, and keep the beginning."""
    while piece := await output.read(_PIECE):
        said += piece[: MAX_OUTPUT_BYTES + 1 - len(said)]


def _kill(group: int) -> None:
    # What the command left behind in the background ends with it.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _answer(said: bytearray, code: int | None, ended: str | None) -> str:
    text = said[:MAX_OUTPUT_BYTES].decode(errors="replace")
    if len(said) > MAX_OUTPUT_BYTES:
        text += f"\n[cut after {MAX_OUTPUT_BYTES} bytes]"
    if ended is None and code == 0:
        return text or "[no output]"
    raise ToolFailed(f"{text}\n[{ended or f'exit code {code}'}]".lstrip("\n"))


def _environment(workspace: Workspace) -> dict[str, str]:
    """Nothing of the worker's own environment but the search path: it holds keys."""
    home = str(workspace.start)
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "LANG": "C.UTF-8", "TERM": "dumb"}
