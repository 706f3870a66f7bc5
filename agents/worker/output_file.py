"""Writing a step's result to its `output_to_file`: whole or not at all, below the worker's folder."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import orjson
from elexirion.agents.steps.port import StepError
from elexirion.events.failure import Failure


async def write_output(path: str, result: Any, *, trusted: bool) -> None:
    """Write text as it is and anything else as indented JSON; raises StepError naming the file.

    A relative path stays below the folder in which the worker was started; an absolute one needs `trusted`.
    """
    try:
        await asyncio.to_thread(_replace, _allowed(path, trusted), content_of(result))
    except OSError as error:
        raise _refused(f"output file {path} could not be written: {error.strerror or error}") from error


def content_of(result: Any) -> bytes:
    """What stands in the file: text as it is, any other value as JSON."""
    if isinstance(result, str):
        return result.encode()
    return orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n"


def _allowed(path: str, trusted: bool) -> Path:
    target = Path(path)
    if target.is_absolute():
        if not trusted:
            raise _refused(f"output file {path} is outside this worker's folder")
        return target
    if not target.resolve().is_relative_to(Path.cwd().resolve()):
        raise _refused(f"output file {path} leaves this worker's folder")
    return target


def _refused(message: str) -> StepError:
    return StepError(Failure(kind="step_error", message=message))


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
