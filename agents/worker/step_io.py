"""What a running step may do: stream text and call its provider, each recorded as it happens."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from typing import Any

from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.providers.port import Provider, ProviderCall, ProviderFailed, ProviderResult, TextChunk
from elexirion.agents.steps.port import StepError
from elexirion.agents.worker.reports import Reports
from elexirion.agents.worker.result_cache import Request, ResultCache, is_cacheable, request_hash
from elexirion.events.canonical import content_hash
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
        cache: ResultCache | None = None,
    ) -> None:  # fmt: skip
        self._cause = cause
        self._execute = execute
        self._reports = reports
        self._provider = provider
        self._store = store
        self._cache = cache
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

        A request stands in the log before it leaves this process.
        """
        if self._provider is None:
            raise StepError(Failure(kind="internal", message=f"lane {self._execute.lane} has no provider"))
        if self._cache is None or self._cache_ttl_s is None or not is_cacheable(call):
            return await self._asked(call, self._provider)
        name = self._provider.name
        hashed = request_hash(name, call, offline=self._cause.offline)
        request = Request(hashed, call.call_id, name, self._cache_ttl_s, self._cause)
        answer = await self._cache.answer(request, partial(self._asked, call, self._provider))
        self._answered.append(hashed)
        return await self._said_again(call, answer) if isinstance(answer, CacheEntry) else answer

    async def _said_again(self, call: ProviderCall, entry: CacheEntry) -> ProviderResult:
        """An answer that was paid for already."""
        data = CacheHit(**self._whose(), request_hash=entry.request_hash, written_at=entry.written_at)
        await self._reports.send(self._reports.record(data, f"cached/{call.call_id}", self._cause))
        for start in range(0, len(entry.text), CACHED_CHUNK):
            await self.chunk(entry.text[start : start + CACHED_CHUNK])
        return ProviderResult(entry.text, entry.model, entry.stop_reason, NO_USAGE, 0.0)

    async def _asked(self, call: ProviderCall, provider: Provider) -> ProviderResult:
        await self._requested(call, provider)
        began = time.monotonic()
        first: float | None = None
        try:
            async with aclosing(provider.execute(call)) as answer:
                async for item in answer:
                    if isinstance(item, TextChunk):
                        first = first if first is not None else time.monotonic() - began
                        await self.chunk(item.text)
                    else:
                        await self._responded(call, provider, began, first, item)
                        return item
        except ProviderFailed as failed:
            await self._failed(call, provider, began, first, failed)
            raise StepError(failed.failure, failed.usage, None if failed.usage != NO_USAGE else 0.0) from failed
        raise StepError(Failure(kind="cut_stream", message="the provider ended without a result"))

    async def _requested(self, call: ProviderCall, provider: Provider) -> None:
        asked = asdict(call) | {"call_id": None, "timeout_s": None}
        data = ProviderRequested(
            execution_id=self._execute.execution_id, incarnation=self._execute.incarnation, call_id=call.call_id,
            provider=provider.name, model=call.model, request_sha256=content_hash(asked),
        )  # fmt: skip
        await self._recorded(self._reports.record(data, f"requested/{call.call_id}", self._cause))

    async def _recorded(self, record: Record) -> None:
        try:
            await self._reports.acknowledged(record)
        except KafkaProblem as problem:
            raise StepError(Failure(kind="internal", message=f"the call was not made: {problem}")) from problem

    def _whose(self) -> dict[str, str]:
        return {"execution_id": self._execute.execution_id, "incarnation": self._execute.incarnation}

    async def _responded(
        self, call: ProviderCall, provider: Provider, began: float, first: float | None, result: ProviderResult
    ) -> None:
        data = ProviderResponded(
            execution_id=self._execute.execution_id, incarnation=self._execute.incarnation, call_id=call.call_id,
            provider=provider.name, model=result.model, usage=result.usage, cost_usd=result.cost_usd,
            stop_reason=result.stop_reason, duration_s=time.monotonic() - began, first_chunk_s=first,
        )  # fmt: skip
        await self._reports.send(self._reports.record(data, f"responded/{call.call_id}", self._cause))

    async def _failed(
        self, call: ProviderCall, provider: Provider, began: float, first: float | None, failed: ProviderFailed
    ) -> None:
        data = ProviderResponded(
            execution_id=self._execute.execution_id, incarnation=self._execute.incarnation, call_id=call.call_id,
            provider=provider.name, model=call.model, usage=failed.usage, failure=failed.failure,
            duration_s=time.monotonic() - began, first_chunk_s=first,
        )  # fmt: skip
        await self._reports.send(self._reports.record(data, f"responded/{call.call_id}", self._cause))
