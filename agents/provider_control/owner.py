"""The owner of `providers`: decides what all runs share from what workers report.

Who owns the first partition of `events` takes itself for the owner. That is a hint alone: numbers and chaining say
which decisions count, so one that is owner no more, or not yet, has no effect.
"""

import time
from collections.abc import Callable

import structlog
from elexirion.agents.decisions.providers import Facts, Rules, decide, pending
from elexirion.agents.kafka.errors import AppendUnknownError, ProducerFatalError
from elexirion.agents.provider_control.followed import FollowedProviders
from elexirion.events.envelope import Record, utc_now

log = structlog.get_logger(__name__)

LOOK_S = 0.1
"""How often time alone is looked at, while something waits for it."""
IDLE_S = 5.0
READ_BACK_S = 5.0


class ProvidersOwner:
    """Decides while `owns` says so and everything before is read."""

    def __init__(self, followed: FollowedProviders, rules: Rules, author: str, owns: Callable[[], bool]) -> None:
        self._followed = followed
        self._rules = rules
        self._author = author
        self._owns = owns

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            if self._owns() and self._followed.caught_up:
                await self._decide()
            await self._followed.news(LOOK_S if pending(self._followed.state) else IDLE_S)

    async def _decide(self) -> None:
        records = decide(self._followed.state, self._rules, Facts(utc_now(), self._author))
        for record in records:
            log.info("decided about a provider", type=record.type, about=record.run_id)
        if records:
            await self._append(records)

    async def _append(self, records: list[Record]) -> None:
        """Write, and decide nothing more until all is read back, or for READ_BACK_S: then it is decided anew."""
        try:
            for record in records:
                await self._followed.append(record)
        except ProducerFatalError:
            raise
        except AppendUnknownError as problem:
            log.warning("a decision about providers was not acknowledged", problem=str(problem))
        ends, ids = time.monotonic() + READ_BACK_S, {record.id for record in records}
        while not ids.issubset(self._followed.state.seen) and time.monotonic() < ends:
            await self._followed.news(ends - time.monotonic())
