"""Permits to call a provider whose rate is limited, as this worker asks for them and gives them out to its calls."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

import structlog
from elexirion.agents.decisions.providers import rate_key
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.provider_control.followed import FollowedProviders
from elexirion.agents.resilience.rate_limit import SAID_AGAIN_S, RateRule, RateRules, prefetch
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.provider_reports import LimitReported, PermitsAsked
from elexirion.events.record_model import RecordModel
from elexirion.projections.rate import Grant, Kind, Queued, Rate

log = structlog.get_logger(__name__)

FIRST_GUESS_TOKENS = 1_000
"""Tokens that a call is counted with before one was answered; from then on it is their mean."""
_TOGETHER_S = 0.005
_SETTLED_AFTER_S = 0.25
_READ_BACK_S = 2.0
_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Permit:
    """One call may be made until `expires` (monotonic seconds); it was counted with so many tokens."""

    provider: str
    expires: float
    tokens: int

    @property
    def good(self) -> bool:
        """Whether it can still be used."""
        return time.monotonic() < self.expires


class Permits:
    """One line for each limited provider."""

    def __init__(self, followed: FollowedProviders, rules: RateRules, incarnation: str) -> None:
        self._lines = {name: _Line(name, rule, followed, incarnation) for name, rule in rules.of.items()}

    def limited(self, provider: str) -> bool:
        """Whether calls of the provider need permits."""
        return provider in self._lines

    async def acquire(self, provider: str, *, first: bool = False) -> Permit:
        """Wait in line for a permit; `first` goes before all others of this worker."""
        return await self._lines[provider].acquire(first)

    def give_back(self, permit: Permit) -> None:
        """A permit was not used: another call may have it."""
        self._lines[permit.provider].give_back(permit)

    def settle(self, permit: Permit, tokens: int) -> None:
        """A call was answered and used so many tokens."""
        self._lines[permit.provider].settle(permit, tokens)

    async def told(self, provider: str, model: str, kind: Kind, limit: float | None) -> None:
        """An answer told of the caller's limit."""
        if limit and provider in self._lines:
            await self._lines[provider].told(model, kind, limit)

    async def stop(self) -> None:
        """Ask for nothing more."""
        await asyncio.gather(*(line.stop() for line in self._lines.values()))


class _Line:
    """Those who wait here for one provider, and the permits that nobody has used yet."""

    def __init__(self, provider: str, rule: RateRule, followed: FollowedProviders, incarnation: str) -> None:
        self._provider = provider
        self._rule = rule
        self._followed = followed
        self._incarnation = incarnation
        self._waiting: deque[asyncio.Future[Permit]] = deque()
        self._spare: deque[Permit] = deque()
        self._taken = 0
        self._asks = 0
        self._owed = 0
        self._mean_tokens = float(FIRST_GUESS_TOKENS)
        self._task: asyncio.Task[None] | None = None

    @property
    def _rate(self) -> Rate:
        return self._followed.state.rate(self._provider)

    async def acquire(self, first: bool) -> Permit:
        spare = None if self._waiting and not first else self._pop_spare()
        if spare:
            return spare
        mine: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(mine)
        self._start()
        self._followed.tell()
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give_back(mine.result())
            raise

    def give_back(self, permit: Permit) -> None:
        if permit.good:
            self._spare.append(permit)
            self._hand_out()

    def settle(self, permit: Permit, tokens: int) -> None:
        if self._rule.tokens is not None:
            self._owed += tokens - permit.tokens
            self._mean_tokens += (tokens - self._mean_tokens) / 5
            self._start()
            self._followed.tell()

    async def told(self, model: str, kind: Kind, limit: float) -> None:
        said = self._rule.requests if kind == "requests_per_minute" else self._rule.tokens
        known = self._rate.told.get((model, kind))
        if said is None or limit == known or (known is None and limit >= said):
            return
        await self._append(
            LimitReported(
                provider=self._provider, model=model, incarnation=self._incarnation, kind=kind, limit=limit
            ),
            f"{self._incarnation}/{model}/{kind}/{limit:g}",
        )  # fmt: skip

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- the line moves

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._move(), name=f"permits of {self._provider}")

    async def _move(self) -> None:
        while True:
            self._collect()
            self._hand_out()
            if not await self._ask_for_more():
                await self._followed.news(SAID_AGAIN_S)

    def _collect(self) -> None:
        """Take what was granted to this worker since the last look."""
        for grant in self._rate.grants:
            if grant.seq <= self._taken:
                continue
            self._taken = grant.seq
            if grant.data.incarnation == self._incarnation:
                self._spare.extend(_permits(grant))

    def _hand_out(self) -> None:
        while self._waiting:
            if self._waiting[0].done():  # who waited has gone
                self._waiting.popleft()
                continue
            permit = self._pop_spare()
            if permit is None:
                return
            self._waiting.popleft().set_result(permit)

    def _pop_spare(self) -> Permit | None:
        while self._spare:
            permit = self._spare.popleft()
            if permit.good:
                return permit
        return None

    async def _ask_for_more(self) -> bool:
        """Whether something was asked, so that the line has to be looked at again."""
        stale = next((one for one in self._queued() if self._is_stale(one)), None)
        if stale:
            return await self._ask(stale.ask_id, stale.calls)
        if self._needed() > 0:
            await asyncio.sleep(_TOGETHER_S)
        elif self._owed:
            await asyncio.sleep(_SETTLED_AFTER_S)
        needed = self._needed()
        if needed <= 0 and not self._owed:
            return False
        self._asks += 1
        more = prefetch(self._rate, self._rule, utc_now()) if needed > 0 else 0
        return await self._ask(f"{self._incarnation}/{self._asks}", max(0, needed) + more)

    def _queued(self) -> list[Queued]:
        return [one for one in self._rate.queue if one.incarnation == self._incarnation]

    def _needed(self) -> int:
        waiting = sum(not one.done() for one in self._waiting)
        return waiting - len(self._spare) - sum(one.calls for one in self._queued())

    def _is_stale(self, ask: Queued) -> bool:
        return (utc_now() - ask.at).total_seconds() >= SAID_AGAIN_S

    async def _ask(self, ask_id: str, calls: int) -> bool:
        owed, self._owed = self._owed, 0
        data = PermitsAsked(
            provider=self._provider, incarnation=self._incarnation, ask_id=ask_id, calls=calls,
            tokens=round(self._mean_tokens) if self._rule.tokens is not None else 0, settled_tokens=owed,
        )  # fmt: skip
        if not await self._append(data, f"{ask_id}@{utc_now().timestamp()}"):
            self._owed += owed
            await asyncio.sleep(_AGAIN_S)
        return True

    async def _append(self, data: RecordModel, id: str) -> bool:
        record = make_record(data, id=id, run_id=rate_key(self._provider), at=utc_now())
        try:
            return await self._followed.read_to(await self._followed.append(record), _READ_BACK_S)
        except KafkaProblem as problem:
            log.warning("the owner of providers is not told", about=record.run_id, problem=str(problem))
            return False


def _permits(grant: Grant) -> list[Permit]:
    """What is left of a grant: it was good from the moment at which it stood in the log."""
    age = max(0.0, (utc_now() - grant.at).total_seconds())
    expires = time.monotonic() + grant.data.valid_s - age
    return [Permit(grant.data.provider, expires, grant.data.tokens)] * grant.data.calls
