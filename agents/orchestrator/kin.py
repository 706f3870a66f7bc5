"""What runs tell each other at an end: a child its parent how it ended, a parent a child that nobody waits for it.

Each is a command whose id follows from its cause, so that saying it twice is harmless. It is said when the record
that causes it is read, again until it is acknowledged, again after a takeover, and whenever the parent asks
(by sending its StartRun again).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from elexirion.agents.orchestrator.child_runs import cancel_child, tell_parent
from elexirion.agents.orchestrator.follow import Followed
from elexirion.events import run
from elexirion.events.envelope import Record
from elexirion.projections.partition import EndedRun, PartitionFold
from elexirion.projections.run_state import RunState

AGAIN_S = 1.0
RETOLD = 1_000
"""Of so many runs that ended last, parents are told again after a takeover."""


class Kin:
    """Commands to other runs that are not acknowledged yet; `send` publishes one and says whether it was."""

    def __init__(self, send: Callable[[Record], Awaitable[bool]]) -> None:
        self._send = send
        self._unsent: OrderedDict[str, Record] = OrderedDict()
        self._some = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            for id, record in list(self._unsent.items()):
                if await self._send(record):
                    self._unsent.pop(id, None)
            if self._unsent:
                await asyncio.sleep(AGAIN_S)
            else:
                self._some.clear()

    def after(self, followed: Followed, fold: PartitionFold) -> None:
        """What a record that was just read means to other runs."""
        run_id, data = followed.record.run_id, followed.record.data
        ended = fold.ended.get(run_id)
        match data:
            case run.CommandReceived():
                if ended is not None and not followed.accepted and data.command_type == "StartRun":
                    self._tell(ended)  # the parent asks
            case run.CommandRejected():
                if ended is not None and followed.accepted and ended.status == "refused":
                    self._tell(ended)
            case _ if followed.accepted and followed.before is not None:
                self._after_change(followed, fold.runs.get(run_id), ended)
            case _:
                return

    def _after_change(self, followed: Followed, now: RunState | None, ended: EndedRun | None) -> None:
        if ended is not None:
            self._tell(ended)
        if isinstance(followed.record.data, run.ChildRunEnded) or followed.before is None:
            return
        awaited = now.children if now else {}
        for step, child in followed.before.children.items():
            if step not in awaited:
                self._cancel(followed.record.run_id, child.run_id)

    def take_over(self, fold: PartitionFold) -> None:
        """The orchestrator before may have ended before it said all that it had to say."""
        for ended in list(fold.ended.values())[-RETOLD:]:
            self._tell(ended)
            for child in ended.open_children:
                self._cancel(ended.run_id, child)
        for state in fold.runs.values():
            for child in state.left_children:
                self._cancel(state.run_id, child)

    def _cancel(self, run_id: str, child_run_id: str) -> None:
        self._say(cancel_child(run_id, child_run_id, f"run {run_id} does not wait for it any more"))

    def _tell(self, ended: EndedRun) -> None:
        if ended.to_parent is not None and ended.parent_run_id is not None:
            self._say(tell_parent(ended.parent_run_id, ended.to_parent))

    def _say(self, record: Record) -> None:
        self._unsent[record.id] = record
        self._some.set()
