"""A transformation in a process of its own, ended at its limits.

Expressions that cannot take long run in a thread of the worker. The others, such as `tags | sort | join`, need a
limit that holds from outside; a whole transformation goes into one process, since a call for each row would
cost more than the rows.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from elexirion.agents.data.values import DataRefused

_CHILD = "elexirion.agents.data.limited_child"
# The child needs to find the interpreter's packages and nothing else: no keys of providers.
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV")
_BY_TIME = (-signal.SIGXCPU, -signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one transformation: whole seconds of processor time, and memory in all."""

    cpu_s: int = 20
    memory_bytes: int = 1024 * 1024 * 1024


async def answered(config: Mapping[str, Any], limits: Limits | None = None) -> Any:
    """The result of the rendered step; raises DataRefused, also at a limit."""
    bounds = limits or Limits()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _CHILD,
        str(bounds.cpu_s),
        str(bounds.memory_bytes),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={key: os.environ[key] for key in _PASSED_ON if key in os.environ},
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate(orjson.dumps(config))
    finally:
        await _ended(process)
    return _value(output, process.returncode, bounds)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _value(output: bytes, code: int | None, limits: Limits) -> Any:
    found = orjson.loads(output) if code == 0 and output else {}
    if "value" in found:
        return found["value"]
    if "error" in found:
        raise DataRefused(found["error"])
    if code in _BY_TIME:
        raise DataRefused(f"the operations took more than {limits.cpu_s} s of processor time: simplify an expression")
    if found.get("bound") == "memory":
        raise DataRefused("the operations need too much memory: filter the rows first")
    raise RuntimeError(f"the process of the transformation ended with code {code}")
