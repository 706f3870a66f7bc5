"""Grep: lines of files by a regular expression."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from elexirion.agents.tools.text_file import is_binary
from elexirion.agents.tools.tool import Arguments, ToolFailed, TypedTool
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused
from pydantic import AliasChoices, Field

MAX_MATCHES = 500
MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_TOTAL_BYTES = 64 * 1024 * 1024
DEADLINE_S = 10.0
_MEMORY_BYTES = 512 * 1024 * 1024
_LINE_BYTES = 64 * 1024
_SEARCHER = Path(__file__).with_name("matching_lines.py")


class GrepArguments(Arguments):
    """What to look for, and where."""

    pattern: str = Field(min_length=1, max_length=1000, description="A regular expression as Python has them.")
    path: str = Field(".", description="The file or folder to search, relative to the workspace.")
    glob: str = Field("**", description="Which files of the folder, for example `**/*.py`.")
    ignore_case: bool = Field(
        False, validation_alias=AliasChoices("ignore_case", "-i"), description="Whether case makes no difference."
    )
    output_mode: Literal["content", "files_with_matches", "count"] = "content"


async def act(arguments: GrepArguments, workspace: Workspace) -> str:
    """`path:line:text` of each match, or the files alone, or their counts; a note says what was left out."""
    top = await asyncio.to_thread(workspace.readable, arguments.path)
    notes: list[str] = []
    try:
        async with asyncio.timeout(DEADLINE_S), _searcher(arguments) as searcher:
            matches = await _matches(searcher, _files(arguments, workspace, top, notes))
    except TimeoutError:
        raise ToolFailed(
            f"the search took longer than {DEADLINE_S:g} s: use a simpler pattern or fewer files"
        ) from None
    if len(matches) == MAX_MATCHES:
        notes.append(f"[more than {MAX_MATCHES - 1} matches: use a narrower pattern]")
    return "\n".join([*_shown(matches, arguments.output_mode), *notes]) or "[no line matches]"


@asynccontextmanager
async def _searcher(arguments: GrepArguments) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process that searches; it does not outlive the search."""
    # Isolated and by its path: it shall not import what stands beside it, and start at once.
    searcher = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(_SEARCHER), env={}, limit=_LINE_BYTES,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert searcher.stdin is not None
    asked = {
        "pattern": arguments.pattern, "ignore_case": arguments.ignore_case, "most": MAX_MATCHES,
        "most_bytes": _MEMORY_BYTES,
    }  # fmt: skip
    try:
        searcher.stdin.write(_document(asked) + b"\n")
        yield searcher
    finally:
        with suppress(ProcessLookupError):
            searcher.kill()
        await searcher.wait()


async def _matches(searcher: asyncio.subprocess.Process, files: Iterator[bytes]) -> list[dict[str, Any]]:
    telling = asyncio.create_task(_tell(searcher, files))
    try:
        matches = await _hear(searcher)
    finally:
        telling.cancel()
        [told] = await asyncio.gather(telling, return_exceptions=True)
    if isinstance(told, Exception):
        raise told
    if await searcher.wait():
        raise ToolFailed("the search ended before its time: use a simpler pattern or fewer files")
    return matches


async def _tell(searcher: asyncio.subprocess.Process, files: Iterator[bytes]) -> None:
    assert searcher.stdin is not None
    # The searcher leaves once it has found enough, or where the pattern is none.
    try:
        while document := await asyncio.to_thread(next, files, b""):
            searcher.stdin.write(document + b"\n")
            await searcher.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        searcher.stdin.close()


async def _hear(searcher: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    assert searcher.stdout is not None
    matches: list[dict[str, Any]] = []
    async for line in searcher.stdout:
        said = json.loads(line)
        if "error" in said:
            raise ToolFailed(str(said["error"]))
        matches.append(said)
    return matches


def _files(arguments: GrepArguments, workspace: Workspace, top: Path, notes: list[str]) -> Iterator[bytes]:
    """Each file as the searcher reads it; files that are binary or too large are left out."""
    left = MAX_TOTAL_BYTES
    try:
        for file in [top] if top.is_file() else workspace.glob(arguments.glob, top):
            content = _content(workspace, file)
            left -= len(content)
            if left < 0:
                notes.append("[not all files were searched: there are too many of them]")
                return
            if content and not is_binary(content):
                yield _document({"path": workspace.shown(file), "text": content.decode(errors="replace")})
    except WorkspaceRefused as error:
        notes.append(f"[not all files were searched: {error}]")


def _document(said: dict[str, Any]) -> bytes:
    # Not orjson: names of files may hold bytes that are no text.
    return json.dumps(said).encode()


def _content(workspace: Workspace, file: Path) -> bytes:
    try:
        with workspace.open_read(file) as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except (WorkspaceRefused, OSError):
        return b""
    return content if len(content) <= MAX_FILE_BYTES else b""


def _shown(matches: list[dict[str, Any]], mode: Literal["content", "files_with_matches", "count"]) -> list[str]:
    if mode == "content":
        return [f"{match['path']}:{match['line']}:{match['text']}" for match in matches]
    counts = Counter(str(match["path"]) for match in matches)
    return [f"{path}:{count}" if mode == "count" else path for path, count in counts.items()]


GREP = TypedTool(
    "Grep",
    "Searches text files line by line with a regular expression. Gives `path:line:text`, "
    "or with `output_mode` the files alone or their counts.",
    GrepArguments,
    act,
)
