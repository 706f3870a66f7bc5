"""Sending the StartRun of each run that a RunForked asked for: when it is read, and again after a takeover."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.orchestrator.follow import Followed
from elexirion.agents.orchestrator.fork_duty import start_of
from elexirion.events.envelope import Record
from elexirion.events.run import RunForked
from elexirion.events.values import Value
from elexirion.projections.partition import PartitionFold

log = structlog.get_logger(__name__)

AGAIN_S = 1.0
RETOLD = 1_000
"""Of so many forks, the newest ones, the new run is asked for again after a takeover."""


class ForkStarts:
    """New runs that are not asked for yet; `send` publishes a command and says whether it was acknowledged."""

    def __init__(self, load: Callable[[Value], Awaitable[Any]], send: Callable[[Record], Awaitable[bool]]) -> None:
        self._load = load
        self._send = send
        self._unsent: OrderedDict[str, RunForked] = OrderedDict()
        self._some = asyncio.Event()

    def after(self, followed: Followed) -> None:
        """A record was read."""
        if followed.accepted and isinstance(followed.record.data, RunForked):
            self._ask(followed.record.data)

    def take_over(self, fold: PartitionFold) -> None:
        """The orchestrator before may have ended before it sent them."""
        for told in list(fold.forked.values())[-RETOLD:]:
            self._ask(told.data)

    def _ask(self, told: RunForked) -> None:
        self._unsent[told.start_command_id] = told
        self._some.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            for id, told in list(self._unsent.items()):
                if await self._sent(told):
                    self._unsent.pop(id, None)
            if self._unsent:
                await asyncio.sleep(AGAIN_S)
            else:
                self._some.clear()

    async def _sent(self, told: RunForked) -> bool:
        try:
            return await self._send(start_of(told, await self._load(told.start), told.start_command_id))
        except KafkaProblem as problem:
            log.warning("a new run cannot be asked for, trying again", run_id=told.new_run_id, problem=str(problem))
            return False
