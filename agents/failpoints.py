"""Named places at which a test lets a process die, freeze, raise or dawdle; nothing unless the environment says so.

`ELEXIRION_FAILPOINTS` is a JSON list, such as `[{"at": "execution.streaming", "do": "kill", "nth": 3}]`, and
`ELEXIRION_FAILPOINTS_FOLDER` the folder in which each that fires leaves a mark: a test without a mark tested nothing.
Both together arm them; with the first alone a process refuses to start. Hits count, and each failpoint fires once,
over all processes with the same folder.
"""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

log = structlog.get_logger(__name__)

Point = Literal[
    "command.read",
    "command.forwarded",
    "decision.unsent",
    "decision.sent",
    "dispatch.unsent",
    "dispatch.sent",
    "execution.received",
    "execution.started_sent",
    "execution.started_acked",
    "execution.request_recorded",
    "execution.request_sent",
    "execution.streaming",
    "execution.result_unsent",
    "execution.result_sent",
    "execution.result_acked",
]
POINTS: tuple[Point, ...] = get_args(Point)
Action = Literal["kill", "stop", "raise", "sleep"]

SPECIFIED_BY = "ELEXIRION_FAILPOINTS"
MARKED_IN = "ELEXIRION_FAILPOINTS_FOLDER"


class FailpointsRefusedError(Exception):
    """Failpoints are named, but nothing says that this process may suffer them."""


class FailpointError(Exception):
    """What the action `raise` raises."""


class Failpoint(BaseModel):
    """At the `nth` hit of a place (from 1, of the runs whose id begins with `run`), do it.

    `kill` is SIGKILL and `stop` SIGSTOP to this process itself; `sleep` holds the whole process up for `seconds`, as
    a long pause of the machine would.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Point
    do: Action
    nth: int = Field(1, ge=1)
    run: str = ""
    seconds: float = Field(1.0, gt=0)

    @property
    def mark(self) -> str:
        """The name of the file that says it fired."""
        return f"{self.at}-{self.do}-{self.nth}-{self.run}"


_SPECIFIED = TypeAdapter(tuple[Failpoint, ...])


class _Armed:
    """The failpoints of this process; how often each place was hit is the size of a file, as processes die."""

    def __init__(self, failpoints: tuple[Failpoint, ...], folder: Path) -> None:
        self._failpoints = failpoints
        self._folder = folder

    def hit(self, at: Point, run_id: str) -> None:
        for one in self._failpoints:
            if one.at == at and run_id.startswith(one.run) and self._hits(one) >= one.nth and self._first(one, run_id):
                _act(one)

    def _hits(self, failpoint: Failpoint) -> int:
        """Count this one."""
        if failpoint.nth == 1:
            return 1
        with (self._folder / f".hits-{failpoint.mark}").open("ab") as hits:
            hits.write(b".")
            hits.flush()
            return hits.tell()

    def _first(self, failpoint: Failpoint, run_id: str) -> bool:
        """Leave the mark; False where it stands already."""
        try:
            with (self._folder / failpoint.mark).open("x") as mark:
                mark.write(f"{os.getpid()} {time.time()} {run_id}\n")
        except FileExistsError:
            return False
        log.warning("failpoint", at=failpoint.at, does=failpoint.do, run_id=run_id)
        return True


_armed: _Armed | None = None


def arm(environment: Mapping[str, str] = os.environ) -> None:
    """Take the failpoints that the environment names. Raises FailpointsRefusedError or pydantic's ValidationError."""
    global _armed
    text, folder = environment.get(SPECIFIED_BY), environment.get(MARKED_IN)
    if not text:
        _armed = None
        return
    if not folder or not Path(folder).is_dir():
        raise FailpointsRefusedError(
            f"{SPECIFIED_BY} is set, which kills processes on purpose, but {MARKED_IN} names no folder for its marks."
        )
    _armed = _Armed(_SPECIFIED.validate_json(text), Path(folder))
    log.warning("failpoints are armed", count=len(_SPECIFIED.validate_json(text)))


def hit(at: Point, run_id: str) -> None:
    """Here it may happen; `raise` raises FailpointError."""
    if _armed is not None:
        _armed.hit(at, run_id)


async def acknowledged(at: Point, run_id: str, sent: "asyncio.Future[Any]") -> None:
    """Here it may happen once `sent` is acknowledged; without failpoints nothing is waited for."""
    if _armed is not None:
        await asyncio.shield(sent)
        _armed.hit(at, run_id)


def _act(failpoint: Failpoint) -> None:
    match failpoint.do:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(failpoint.seconds)
        case "raise":
            raise FailpointError(f"failpoint {failpoint.at}")
