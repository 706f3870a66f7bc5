"""The heartbeat of a process: who it is, what it offers, what it holds; and when it was last heard."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import structlog
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.record_model import RecordModel
from elexirion.events.worker import WorkerHeartbeat, WorkerLeft

log = structlog.get_logger(__name__)

FAREWELL_S = 3.0


class Heartbeat:
    """Beats every `interval_s` and at once when `changed` is called.

    `describe(number)` makes the next beat. `lease_left_s` falls while no beat is acknowledged.
    """

    def __init__(
        self, appender: Appender, worker_id: str, interval_s: float, describe: Callable[[int], WorkerHeartbeat]
    ) -> None:
        self._appender = appender
        self._worker_id = worker_id
        self._interval_s = interval_s
        self._describe = describe
        self._number = 0
        self._heard_at = time.monotonic()
        self._changed = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    def changed(self) -> None:
        """Something a dispatcher should know at once."""
        self._changed.set()

    def silent_for_s(self) -> float:
        """Seconds since the sending of the last acknowledged beat."""
        return time.monotonic() - self._heard_at

    async def run(self) -> None:
        """Beat until cancelled; a broker that is away does not end it."""
        while True:
            self._changed.clear()
            self._beat()
            # Not wait_for: until Python 3.12 it swallows a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._changed.wait()

    async def leave(self, incarnation: str) -> None:
        """Say farewell, so that nobody waits for the lease."""
        data = WorkerLeft(worker_id=self._worker_id, incarnation=incarnation)
        try:
            await self._send(data, f"{incarnation}/left", FAREWELL_S)
        except KafkaProblem as problem:
            log.warning("farewell not written", incarnation=incarnation, problem=str(problem))

    def _beat(self) -> None:
        self._number += 1
        task = asyncio.create_task(self._say(self._describe(self._number)), name="heartbeat")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _say(self, data: WorkerHeartbeat) -> None:
        at = time.monotonic()
        try:
            await self._send(data, f"{data.incarnation}/{data.number}")
            self._heard_at = max(self._heard_at, at)
        except KafkaProblem as problem:
            log.warning("heartbeat not acknowledged", number=data.number, problem=str(problem))

    async def _send(self, data: RecordModel, id: str, timeout_s: float = 10.0) -> None:
        record = make_record(data, id=id, run_id=self._worker_id, at=utc_now())
        sent = await self._appender.send(self._appender.topics.workers, record, self._worker_id, 0)
        await self._appender.acknowledged(sent, timeout_s)
