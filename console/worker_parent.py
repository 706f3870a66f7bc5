"""The parent of a worker process: it starts the worker again when that dies, and passes signals on to it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence

import structlog
from elexirion.agents.settings import name_of_this_process
from elexirion.agents.supervision import CrashWindow
from elexirion.console.exits import DONE, UNREACHABLE, USAGE

log = structlog.get_logger(__name__)

MOST_CRASHES = 5
WITHIN_S = 60.0
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def delay_s(ends: int) -> float:
    """Seconds before the next start, after so many ends within the last minute: 0.5, 1, 2, 4 … 30."""
    return min(FIRST_DELAY_S * 2.0 ** min(max(ends, 1) - 1, 10), LONGEST_DELAY_S)


class WorkerParent:
    """Keeps one worker running, by `command`.

    It ends with its worker where another start is of no use: the worker ended well, it was told to end, or its
    settings are wrong. It gives up after more than MOST_CRASHES crashes within WITHIN_S. An unreachable broker is
    no crash of the worker: it is tried again for as long as it takes. Each of its workers has the same id, the
    parent's where none is set, by which others know that the one before has been replaced.
    """

    def __init__(self, command: Sequence[str], worker_id: str | None = None) -> None:
        self._command = command
        # Two containers can have one host name and one process id; an id of a worker is its alone.
        self._worker_id = worker_id or f"{name_of_this_process()}-{secrets.token_hex(2)}"
        self._ends = CrashWindow(over_s=WITHIN_S)
        self._crashes = CrashWindow(MOST_CRASHES, WITHIN_S)
        self._worker: Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """Until there is nothing more to start; the exit code."""
        loop = asyncio.get_running_loop()
        for number in PASSED_ON:
            loop.add_signal_handler(number, self._pass_on, number)
        while True:
            # In a session of its own: Ctrl-C would reach it from the terminal and from here, and twice means "now".
            environment = os.environ | {"ELEXIRION_WORKER_ID": self._worker_id}
            self._worker = await asyncio.create_subprocess_exec(*self._command, start_new_session=True, env=environment)
            log.info("worker started", pid=self._worker.pid)
            if self._stopping.is_set():
                self._worker.terminate()
            code = _exit_code(await self._worker.wait())
            if self._stopping.is_set() or code in (DONE, USAGE):
                return code
            if self._gives_up(code) or await self._told_to_end_within(delay_s(self._ends.count)):
                return code

    def _gives_up(self, code: int) -> bool:
        self._ends.crashed()
        if code != UNREACHABLE:
            self._crashes.crashed()
        if self._crashes.full:
            log.error(
                f"the worker crashed {self._crashes.count} times within {WITHIN_S:g} s; it is not started again. "
                "Look at what it said before it ended, mend that, and start it anew.", exit_code=code,
            )  # fmt: skip
            return True
        log.warning("the worker ended, starting it again", exit_code=code, in_s=delay_s(self._ends.count))
        return False

    async def _told_to_end_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        except TimeoutError:
            return False

    def _pass_on(self, number: signal.Signals) -> None:
        if number != signal.SIGHUP:
            self._stopping.set()
        if self._worker is not None and self._worker.returncode is None:
            self._worker.send_signal(number)


def _exit_code(code: int) -> int:
    """As a shell tells it: 128 and the number of the signal that ended it."""
    return code if code >= 0 else 128 - code
