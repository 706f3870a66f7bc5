"""The result cache of a worker: an equal request takes an earlier answer, or waits for the one under way."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from elexirion.agents.providers.port import FunctionTurn, ProviderCall, ProviderResult
from elexirion.events.canonical import content_hash
from elexirion.events.codec import encode
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.provider import CacheEntry
from elexirion.projections.result_cache import CachedResults

_HOW = ("call_id", "timeout_s", "stream")
"""How a call is made, as against what is asked."""

Ask = Callable[[], Awaitable[ProviderResult]]
Write = Callable[[str, Record | None], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A call whose answer may be one of the last `ttl_s` seconds; `cause` is the ExecuteStep that makes it."""

    hash: str
    call_id: str
    provider: str
    ttl_s: float
    cause: Record


def is_cacheable(call: ProviderCall) -> bool:
    """Whether nothing but an answer can follow of the call: tools and functions have effects."""
    return not call.functions and not any(isinstance(turn, FunctionTurn) for turn in call.turns)


def request_hash(provider: str, call: ProviderCall, *, offline: bool) -> str:
    """SHA-256 over all that is asked of the provider: made-up answers never stand in for real ones."""
    asked = {name: value for name, value in asdict(call).items() if name not in _HOW}
    # An earlier answer as its wire wrote it is not kept: its text says the same.
    turns = [{name: value for name, value in turn.items() if name != "raw"} for turn in asked["turns"]]
    return content_hash({**asked, "turns": turns, "provider": provider, "offline": offline})


class ResultCache:
    """Answers requests from `results`, and at most once at a time by a call.

    `write` takes an entry's record, or None where an answer is withdrawn, on its way to the other workers; it never
    waits. Entries over half of `limit_bytes` are for those alone who wait for them already.
    """

    def __init__(
        self, results: CachedResults, write: Write, limit_bytes: int, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._results = results
        self._write = write
        self._limit_bytes = limit_bytes
        self._now = now
        self._under_way: dict[str, asyncio.Future[CacheEntry | None]] = {}

    async def answer(self, request: Request, ask: Ask) -> ProviderResult | CacheEntry:
        """An entry, or else what `ask` gives; raises what `ask` raises.

        Who comes while an equal request is asked waits for its answer; if there is none, the next one asks.
        """
        while True:
            entry = self._results.fresh(request.hash, request.ttl_s, self._now())
            if entry:
                return entry
            under_way = self._under_way.get(request.hash)
            if under_way is None:
                return await self._asked(request, ask)
            entry = await asyncio.shield(under_way)
            if entry:
                return entry

    def withdraw(self, hashes: Iterable[str]) -> None:
        """No other step shall get these answers: the one that had them could not use them."""
        for request in hashes:
            if self._results.forget(request):
                self._write(request, None)

    async def _asked(self, request: Request, ask: Ask) -> ProviderResult:
        under_way: asyncio.Future[CacheEntry | None] = asyncio.get_running_loop().create_future()
        self._under_way[request.hash] = under_way
        entry = None
        try:
            result = await ask()
            entry = self._kept(request, result)
            return result
        finally:
            del self._under_way[request.hash]
            under_way.set_result(entry)

    def _kept(self, request: Request, result: ProviderResult) -> CacheEntry | None:
        """The entry of an answer; None where there is nothing that could be said again."""
        if not result.text or result.function_calls:
            return None
        try:
            entry = self._entry(request, result)
            record = make_record(
                entry, id=f"{request.call_id}/cached", run_id=request.cause.run_id, at=entry.written_at,
                causation_id=request.cause.id, correlation_id=request.cause.correlation_id,
                offline=request.cause.offline,
            )  # fmt: skip
            size = len(encode(record))
        except (TypeError, ValueError):  # a text that has no JSON form
            return None
        if size <= self._limit_bytes // 2:
            self._results.keep(entry)
            self._write(request.hash, record)
        return entry

    def _entry(self, request: Request, result: ProviderResult) -> CacheEntry:
        return CacheEntry(
            request_hash=request.hash, written_at=self._now(), provider=request.provider, model=result.model,
            text=result.text, usage=result.usage, cost_usd=result.cost_usd, stop_reason=result.stop_reason,
        )  # fmt: skip
