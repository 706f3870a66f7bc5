"""What a running step may do: stream text and call its provider, each recorded as it happens."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from elexirion.agents import failpoints
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.provider_control.control import ProviderControl
from elexirion.agents.provider_control.target import Target
from elexirion.agents.providers.port import Provider, ProviderCall, ProviderFailed, ProviderResult, TextChunk
from elexirion.agents.providers.recorded import RecordedProvider
from elexirion.agents.providers.request_hash import request_sha256
from elexirion.agents.steps.port import StepError
from elexirion.agents.worker.meter import Meter, Price
from elexirion.agents.worker.reports import Reports
from elexirion.agents.worker.result_cache import Request, ResultCache, is_cacheable, request_hash
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.identifiers import call_id
from elexirion.events.provider import CacheEntry, ProviderRequested, ProviderResponded
from elexirion.events.step import CacheHit, ExecuteStep, FallbackUsed, ToolCalled, ToolReturned
from elexirion.events.usage import NO_USAGE
from elexirion.events.values import Value

Store = Callable[[str, object], Awaitable[Value]]

CHUNK_WINDOW = 256
"""Chunks under way to the broker before the stream waits for it."""

CACHED_CHUNK = 20_000
"""Characters of an answer from the cache that stand in one chunk."""


class ExecutionIO:
    """The StepIO of one execution. `chunks` counts what was streamed, `text_sha256` hashes it."""

    def __init__(
        self, cause: Record, execute: ExecuteStep, reports: Reports, provider: Provider | None, store: Store,
        cache: ResultCache | None = None, control: ProviderControl | None = None, price: Price | None = None,
    ) -> None:  # fmt: skip
        self._cause = cause
        self._execute = execute
        self._reports = reports
        self._provider = provider
        self._store = store
        self._cache = cache
        self._control = control
        free = cause.offline or isinstance(provider, RecordedProvider) or price is None
        self._meter = Meter(execute.allowance, price if price and not free else lambda model, usage: 0.0)
        self._cache_ttl_s: float | None = None
        self._answered: list[str] = []
        self._calls = 0
        self._fallbacks = 0
        self._under_way: list[asyncio.Future[Any]] = []
        self._hash = hashlib.sha256()
        self.chunks = 0

    @property
    def text_sha256(self) -> str | None:
        """SHA-256 of all text streamed so far; None where nothing was."""
        return self._hash.hexdigest() if self.chunks else None

    def next_call_id(self) -> str:
        """The id of the next provider call."""
        self._calls += 1
        return call_id(self._execute.execution_id, self._calls)

    async def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        self.chunks += 1
        self._hash.update(text.encode())
        sent = await self._reports.chunk(self._cause, self._execute.execution_id, self.chunks, text)
        self._under_way.append(sent)
        failpoints.hit("execution.streaming", self._cause.run_id)
        if len(self._under_way) >= CHUNK_WINDOW:
            await self.settle()

    async def settle(self) -> None:
        """Wait until every chunk is acknowledged; raises StepError where the broker refused one."""
        if not self._under_way:
            return
        under_way, self._under_way = self._under_way, []
        for outcome in await asyncio.gather(*under_way, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise StepError(Failure(kind="internal", message=f"a chunk was not written: {outcome}"))

    async def tool_called(self, call_id: str, tool: str, arguments: dict[str, Any]) -> None:
        """Record that the model asked for a tool; it stands in the log before the tool runs."""
        data = ToolCalled(**self._whose(), call_id=call_id, tool=tool, arguments=arguments)
        await self._recorded(self._reports.record(data, f"tool/{call_id}/called", self._cause))

    async def tool_returned(self, call_id: str, tool: str, result: Any, *, is_error: bool = False) -> None:
        """Record what a tool gave back."""
        stored = await self._store(self._cause.run_id, result)
        data = ToolReturned(**self._whose(), call_id=call_id, tool=tool, result=stored, is_error=is_error)
        await self._reports.send(self._reports.record(data, f"tool/{call_id}/returned", self._cause))

    async def tool_answer(self, call_id: str) -> tuple[Any, bool] | None:
        """What the recorded tool gave back, and whether that was an error, where a recording answers."""
        return await self._provider.tool_answer(call_id) if isinstance(self._provider, RecordedProvider) else None

    async def fell_back(self, reason: str, used: str) -> None:
        """Record that another model, or a prepared answer, stands in for the step's own."""
        self._fallbacks += 1
        data = FallbackUsed(**self._whose(), reason=reason, used=used)
        await self._reports.send(self._reports.record(data, f"fallback/{self._fallbacks}", self._cause))

    def take_cached(self, ttl_s: float | None) -> None:
        """Let calls from now on take answers from the cache that are younger; None: none."""
        self._cache_ttl_s = ttl_s

    def withdraw_answers(self) -> None:
        """Take the answers that this execution got out of the cache: it came to nothing with them."""
        if self._cache:
            self._cache.withdraw(self._answered)

    async def call(self, call: ProviderCall) -> ProviderResult:
        """Call the provider once, or take the answer of an equal call from the cache where the step may.

        The cache comes first: what was answered already needs no permission. Then come the policies of `control`.

        A request stands in the log before it leaves this process.
        """
        if self._provider is None:
            raise StepError(Failure(kind="internal", message=f"lane {self._execute.lane} has no provider"))
        if self._cache is None or self._cache_ttl_s is None or not is_cacheable(call):
            return await self._governed(call, self._provider)
        name = self._provider.name
        hashed = request_hash(name, call, offline=self._cause.offline)
        request = Request(hashed, call.call_id, name, self._cache_ttl_s, self._cause)
        answer = await self._cache.answer(request, partial(self._governed, call, self._provider))
        self._answered.append(hashed)
        return await self._said_again(call, answer) if isinstance(answer, CacheEntry) else answer

    async def _said_again(self, call: ProviderCall, entry: CacheEntry) -> ProviderResult:
        """An answer that was paid for already."""
        data = CacheHit(**self._whose(), request_hash=entry.request_hash, written_at=entry.written_at)
        await self._reports.send(self._reports.record(data, f"cached/{call.call_id}", self._cause))
        for start in range(0, len(entry.text), CACHED_CHUNK):
            await self.chunk(entry.text[start : start + CACHED_CHUNK])
        return ProviderResult(entry.text, entry.model, entry.stop_reason, NO_USAGE, 0.0)

    async def _governed(self, call: ProviderCall, provider: Provider) -> ProviderResult:
        """The call under the policies that all runs share; without a network there is nothing to share."""
        if self._control is None or self._cause.offline or isinstance(provider, RecordedProvider):
            return await self._asked(call, provider)
        before, execute = self.chunks, self._execute
        target = Target(
            execute.execution_id, provider.name, call.model, call.call_id, call.timeout_s,
            lambda: self.chunks > before, execute.pipeline, execute.tags,
        )  # fmt: skip
        return await self._control.governed(target, partial(self._asked, call, provider))

    async def _asked(self, call: ProviderCall, provider: Provider) -> ProviderResult:
        self._meter.begin(call)
        if refused := self._meter.too_much():
            raise StepError(refused)
        await self._requested(call, provider)
        under_way = _UnderWay(call, provider, time.monotonic(), self.chunks)
        try:
            async with aclosing(provider.execute(call)) as answer:
                async for item in answer:
                    if isinstance(item, TextChunk):
                        under_way.said()
                        await self.chunk(item.text)
                        self._meter.said(item.text)
                        if cut := self._meter.too_much():
                            raise _Cut(cut)
                    else:
                        self._meter.ended(item.usage, item.cost_usd)
                        await self._responded(under_way, item)
                        return item
        except _Cut as cut:
            usage, cost_usd = self._meter.estimate()
            self._meter.ended(usage, cost_usd)
            await self._ended(under_way, model=call.model, usage=usage, cost_usd=cost_usd, failure=cut.failure)
            raise StepError(cut.failure, usage, cost_usd) from cut
        except ProviderFailed as failed:
            await self._failed(under_way, failed)
            self._meter.ended(failed.usage, None)
            free = failed.usage == NO_USAGE or isinstance(provider, RecordedProvider)
            raise StepError(failed.failure, failed.usage, 0.0 if free else None) from failed
        raise StepError(Failure(kind="cut_stream", message="the provider ended without a result"))

    async def _requested(self, call: ProviderCall, provider: Provider) -> None:
        data = ProviderRequested(
            execution_id=self._execute.execution_id, incarnation=self._execute.incarnation, call_id=call.call_id,
            provider=provider.name, model=call.model, request_sha256=request_sha256(call),
        )  # fmt: skip
        await self._recorded(self._reports.record(data, f"requested/{call.call_id}", self._cause))
        failpoints.hit("execution.request_recorded", self._cause.run_id)

    async def _recorded(self, record: Record) -> None:
        try:
            await self._reports.recorded(record)
        except KafkaProblem as problem:
            raise StepError(Failure(kind="internal", message=f"the call was not made: {problem}")) from problem

    def _whose(self) -> dict[str, str]:
        return {"execution_id": self._execute.execution_id, "incarnation": self._execute.incarnation}

    async def _responded(self, under_way: "_UnderWay", result: ProviderResult) -> None:
        calls = [asdict(one) for one in result.function_calls]
        await self._ended(
            under_way, model=result.model, usage=result.usage, cost_usd=result.cost_usd,
            stop_reason=result.stop_reason,
            function_calls=await self._store(self._cause.run_id, calls) if calls else None,
        )  # fmt: skip

    async def _failed(self, under_way: "_UnderWay", failed: ProviderFailed) -> None:
        await self._ended(under_way, model=under_way.call.model, usage=failed.usage, failure=failed.failure)

    async def _ended(self, under_way: "_UnderWay", **how: Any) -> None:
        """Record the end of a call, with where its text stands."""
        call, provider, said = under_way.call, under_way.provider, self.chunks - under_way.before
        data = ProviderResponded(
            **self._whose(), call_id=call.call_id, provider=provider.name,
            duration_s=time.monotonic() - under_way.began, first_chunk_s=under_way.first_chunk_s,
            first_chunk=under_way.before + 1 if said else None, chunks=said,
            replayed_from=provider.replayed_from(call.call_id) if isinstance(provider, RecordedProvider) else None,
            **how,
        )  # fmt: skip
        await self._reports.send(self._reports.record(data, f"responded/{call.call_id}", self._cause))


@dataclass(eq=False)
class _Cut(Exception):  # noqa: N818  # what happened, not an error
    """A call is aborted in the middle: the run may use no more."""

    failure: Failure


@dataclass(slots=True)
class _UnderWay:
    """A call that was sent at `began`, after so many chunks of its execution."""

    call: ProviderCall
    provider: Provider
    began: float
    before: int
    first_chunk_s: float | None = None

    def said(self) -> None:
        """A piece of text came."""
        if self.first_chunk_s is None:
            self.first_chunk_s = time.monotonic() - self.began
