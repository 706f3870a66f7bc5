"""What runs tell each other: a child its parent how it ended, a parent its children that nobody waits for them.

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
from elexirion.events.commands import ChildEnded, StartRun
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.projections.partition import EndedRun, PartitionFold, PendingCommand
from pydantic import ValidationError

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
        if isinstance(data, run.CommandReceived):
            if ended is not None and not followed.accepted and data.command_type == "StartRun":
                self._tell(ended)
        elif followed.accepted and followed.before is not None and not isinstance(data, run.ChildRunEnded):
            if ended is not None:
                self._tell(ended)
            left = fold.runs[run_id].children if run_id in fold.runs else {}
            for step, child in followed.before.children.items():
                if step not in left:
                    self._say(cancel_child(run_id, child.run_id, f"run {run_id} does not wait for it any more"))

    def after_outcome(self, pending: PendingCommand, outcome: Record) -> None:
        """A child that cannot start has ended for its parent."""
        if not isinstance(outcome.data, run.CommandRejected) or pending.received.command_type != "StartRun":
            return
        if outcome.data.reason_code == "run_exists":
            return
        try:
            parent = StartRun.model_validate(pending.received.command).parent
        except ValidationError:
            return
        if parent is not None:
            failure = Failure(kind="invalid_request", message=f"the child run was refused: {outcome.data.reason}")
            told = ChildEnded(child_run_id=pending.run_id, step=parent.step, status="failed", failure=failure)
            self._say(tell_parent(parent.run_id, told))

    def take_over(self, fold: PartitionFold) -> None:
        """The orchestrator before may have ended before it said all that it had to say."""
        for ended in list(fold.ended.values())[-RETOLD:]:
            self._tell(ended)
            for child in ended.open_children:
                self._say(cancel_child(ended.run_id, child, f"run {ended.run_id} ended"))

    def _tell(self, ended: EndedRun) -> None:
        if ended.to_parent is not None and ended.parent_run_id is not None:
            self._say(tell_parent(ended.parent_run_id, ended.to_parent))

    def _say(self, record: Record) -> None:
        self._unsent[record.id] = record
        self._some.set()
