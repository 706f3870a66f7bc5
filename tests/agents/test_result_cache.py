"""Steps that may take answers from the cache make one call for equal requests; steps that may not make their own."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from elexirion.agents.providers.port import (
    FunctionCall,
    FunctionResult,
    FunctionTurn,
    ModelTurn,
    ProviderCall,
    ProviderFailed,
    ProviderOutput,
    ProviderResult,
    TextChunk,
    UserTurn,
)
from elexirion.agents.worker.executor import Executor
from elexirion.agents.worker.result_cache import Request, ResultCache, is_cacheable, request_hash
from elexirion.agents.worker.step_io import CACHED_CHUNK
from elexirion.events.codec import encode
from elexirion.events.envelope import Record
from elexirion.events.provider import CacheEntry, ProviderRequested
from elexirion.events.step import CacheHit, StepChunk, StepCompleted, StepFailed
from elexirion.events.usage import NO_USAGE
from elexirion.events.values import Inline
from elexirion.projections.result_cache import CachedResults

from tests.agents.steps.conversing import PRICE_USD, USAGE, Model, failing, runner_of
from tests.agents.working import Broker, execute, executor_of, until
from tests.events.examples import AT

CACHED = {"cache": {"ttl_seconds": 3600}}
SCHEMA = {"type": "object", "required": ["n"]}
NAMED = {"output_schema": SCHEMA, "repair": False}


@dataclass
class Gated(Model):
    """A model that answers once the gate is open."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        self.calls.append(call)
        answer = self.answers[len(self.calls) - 1]
        await self.gate.wait()
        if isinstance(answer, ProviderFailed):
            raise answer
        yield TextChunk(answer)
        yield ProviderResult(answer, "model-1", "end_turn", USAGE, self.price_usd)


@dataclass
class Stage:
    """A worker with a cache; `now` is its clock, `written` what it tells other workers."""

    model: Model
    step_type: str = "claude"
    limit_bytes: int = 1_000_000
    now: datetime = AT
    broker: Broker = field(default_factory=Broker)
    written: list[tuple[str, Record | None]] = field(default_factory=list)
    results: CachedResults = field(default_factory=CachedResults)
    started: int = 0

    def __post_init__(self) -> None:
        self.cache = ResultCache(self.results, self._write, self.limit_bytes, lambda: self.now)
        runner = runner_of(self.step_type)
        self.executor: Executor = executor_of(self.broker, runner, provider=self.model, cache=self.cache)

    def start(self, **config: Any) -> str:
        """Start another execution of a step with this config; its id."""
        self.started += 1
        data = {"prompt": "rivers", "options": {}, **CACHED, **config}
        record = execute(self.started, lane="claude", timeout_s=30, attempt=3, input=Inline(value=data))
        self.executor.accept(record)
        return f"run-1/s#{self.started}"

    async def end(self) -> None:
        """Let all executions end."""
        await until(lambda: not self.executor.held_ids(), within_s=20)

    async def run(self, **config: Any) -> StepCompleted | StepFailed:
        """One execution to its end."""
        self.start(**config)
        await self.end()
        data = self.broker.sent[-1].data
        assert isinstance(data, StepCompleted | StepFailed)
        return data

    def said(self, kind: type[Any]) -> list[Any]:
        """What was reported of this kind."""
        return [record.data for record in self.broker.sent if isinstance(record.data, kind)]

    def _write(self, request: str, record: Record | None) -> None:
        self.written.append((request, record))


def stage(*answers: Any, **fields: Any) -> Stage:
    """A worker whose model has these answers."""
    return Stage(Model(list(answers)), **fields)


def gated(*answers: Any) -> tuple[Stage, Gated]:
    """A worker whose model waits."""
    model = Gated(list(answers))
    return Stage(model), model


# -- hits


async def test_an_equal_request_takes_the_answer_of_the_first_for_nothing() -> None:
    on = stage("Grüße, 世界")
    first = await on.run()
    second = await on.run()
    assert len(on.model.calls) == 1
    assert isinstance(first, StepCompleted)
    assert isinstance(second, StepCompleted)
    assert (first.usage, first.cost_usd) == (USAGE, PRICE_USD)
    assert (second.usage, second.cost_usd) == (NO_USAGE, 0.0)
    like = {"execution_id": "", "usage": NO_USAGE, "cost_usd": 0.0, "duration_s": 0.0}
    assert second.model_copy(update=like) == first.model_copy(update=like)


async def test_a_hit_is_reported_and_its_text_is_streamed() -> None:
    on = stage("Grüße, 世界")
    await on.run()
    on.now += timedelta(seconds=10)
    await on.run()
    [hit] = on.said(CacheHit)
    assert (hit.execution_id, hit.written_at) == ("run-1/s#2", AT)
    assert hit.request_hash == on.written[0][0]
    assert [chunk.text for chunk in on.said(StepChunk)] == ["Grüße, 世界"] * 2
    assert len(on.said(ProviderRequested)) == 1


async def test_an_answer_is_stale_at_exactly_its_time() -> None:
    on = stage("first", "second")
    await on.run()
    on.now = AT + timedelta(seconds=3599.999)
    await on.run()
    assert len(on.model.calls) == 1
    on.now = AT + timedelta(seconds=3600)
    await on.run()
    assert len(on.model.calls) == 2
    on.now += timedelta(seconds=3599)
    assert (await on.run()).result == Inline(value="second")  # type: ignore[union-attr]
    assert len(on.model.calls) == 2


async def test_a_step_that_did_not_ask_for_it_makes_its_own_call() -> None:
    on = stage("first", "second", "third")
    await on.run()
    await on.run(cache=None)
    await on.run(cache=False)
    assert len(on.model.calls) == 3
    assert not on.said(CacheHit)
    assert len(on.written) == 1


async def test_the_answer_of_another_worker_is_taken() -> None:
    one, other = stage("an answer"), stage()
    await one.run()
    record = one.written[0][1]
    assert record is not None
    assert isinstance(record.data, CacheEntry)
    other.results.keep(record.data)
    assert (await other.run()).result == Inline(value="an answer")  # type: ignore[union-attr]
    assert other.model.calls == []


async def test_a_long_answer_is_streamed_in_chunks_that_fit_their_records() -> None:
    on = stage("x" * (2 * CACHED_CHUNK + 1))
    await on.run()
    await on.run()
    sizes = [len(chunk.text) for chunk in on.said(StepChunk) if chunk.execution_id == "run-1/s#2"]
    assert sizes == [CACHED_CHUNK, CACHED_CHUNK, 1]


# -- one call at a time


async def test_equal_requests_at_the_same_time_wait_for_one_call() -> None:
    on, model = gated("an answer")
    for _ in range(5):
        on.start()
    await until(lambda: model.calls)
    model.gate.set()
    await on.end()
    assert len(model.calls) == 1
    assert [data.result for data in on.said(StepCompleted)] == [Inline(value="an answer")] * 5
    assert sorted(data.cost_usd for data in on.said(StepCompleted)) == [0.0] * 4 + [PRICE_USD]
    assert len(on.said(CacheHit)) == 4


async def test_other_requests_do_not_wait() -> None:
    on, model = gated("an answer", "another")
    on.start()
    on.start(prompt="mountains")
    await until(lambda: len(model.calls) == 2)
    model.gate.set()
    await on.end()
    assert not on.said(CacheHit)


async def test_where_the_first_call_fails_the_next_one_tries() -> None:
    on, model = gated(failing(), "an answer")
    for _ in range(4):
        on.start()
    await until(lambda: model.calls)
    model.gate.set()
    await on.end()
    assert len(model.calls) == 2
    assert [data.execution_id for data in on.said(StepFailed)] == ["run-1/s#1"]
    assert len(on.said(CacheHit)) == 2


async def test_where_the_first_call_is_cancelled_the_next_one_tries() -> None:
    on, model = gated("never said", "an answer")
    first = on.start()
    on.start()
    await until(lambda: model.calls)
    on.executor.cancel(first)
    await until(lambda: len(model.calls) == 2)
    model.gate.set()
    await on.end()
    assert [data.execution_id for data in on.said(StepCompleted)] == ["run-1/s#2"]


async def test_one_that_waits_and_is_cancelled_disturbs_nobody() -> None:
    on, model = gated("an answer")
    ids = [on.start() for _ in range(3)]
    await until(lambda: model.calls)
    on.executor.cancel(ids[1])
    model.gate.set()
    await on.end()
    assert len(model.calls) == 1
    assert sorted(data.execution_id for data in on.said(StepCompleted)) == [ids[0], ids[2]]


# -- what is not kept


async def test_a_call_with_functions_is_always_made() -> None:
    on = stage("first", "second")
    functions = [{"name": "pay", "description": "pays", "parameters": {"type": "object"}}]
    await on.run(functions=functions)
    await on.run(functions=functions)
    assert len(on.model.calls) == 2
    assert on.written == []


def test_a_conversation_with_results_of_functions_is_not_cached() -> None:
    call = ProviderCall(call_id="c", model="m", prompt="p", turns=(UserTurn("a"), ModelTurn("b")))
    assert is_cacheable(call)
    assert not is_cacheable(replace(call, turns=(FunctionTurn((FunctionResult("1", "pay", "done"),)),)))
    assert not is_cacheable(replace(call, functions=({"name": "pay"},)))


async def test_a_failure_is_not_kept() -> None:
    on = stage(failing(), "an answer")
    assert isinstance(await on.run(), StepFailed)
    assert isinstance(await on.run(), StepCompleted)
    assert not on.said(CacheHit)


@pytest.mark.parametrize(
    "result",
    [
        ProviderResult("", "m", "end_turn", USAGE, 0.0),
        ProviderResult("text", "m", "tool_use", USAGE, 0.0, (FunctionCall("pay", {}),)),
        ProviderResult("half a pair: \ud83d", "m", "end_turn", USAGE, 0.0),
    ],
    ids=["no text", "a function call", "no JSON"],
)
async def test_an_answer_that_cannot_be_said_again_is_given_once(result: ProviderResult) -> None:
    on = stage()
    request = Request("hash", "run-1/s#1/1", "claude", 3600, execute())

    async def ask() -> ProviderResult:
        return result

    assert await on.cache.answer(request, ask) is result
    assert await on.cache.answer(request, ask) is result
    assert (len(on.results), on.written) == (0, [])


async def test_an_answer_of_more_than_half_a_record_is_for_those_who_wait_for_it_only() -> None:
    model = Gated(["x" * 3000, "y"])
    on = Stage(model, limit_bytes=5000)
    on.start()
    on.start()
    await until(lambda: model.calls)
    model.gate.set()
    await on.end()
    assert (len(model.calls), len(on.said(CacheHit)), len(on.results), on.written) == (1, 1, 0, [])
    await on.run()
    assert len(model.calls) == 2


async def test_an_answer_that_its_step_cannot_use_is_withdrawn() -> None:
    on = stage('{"wrong": 1}', '{"n": 1}')
    assert isinstance(await on.run(**NAMED), StepFailed)
    assert isinstance(await on.run(**NAMED), StepCompleted)
    assert len(on.model.calls) == 2
    [kept, withdrawn, kept_again] = on.written
    assert (kept[1] is None, withdrawn[1] is None, kept_again[1] is None) == (False, True, False)
    assert len({request for request, _ in on.written}) == 1


async def test_an_answer_in_whose_place_something_else_stands_is_withdrawn() -> None:
    on = stage('{"wrong": 1}', '{"n": 1}', step_type="claude_robust")
    robust = {"retry": {"max_attempts": 1, "retry_on": []}, "fallback_action": "simplified_prompt", **NAMED}
    first = await on.run(**robust)
    assert isinstance(first, StepCompleted)
    assert first.fallback == "simplified_prompt"
    assert len(on.results) == 0


async def test_an_answer_and_its_repair_are_both_taken_again() -> None:
    on = stage("no data", '{"n": 1}')
    for _ in range(2):
        assert (await on.run(output_schema=SCHEMA)).result == Inline(value={"n": 1})  # type: ignore[union-attr]
    assert len(on.model.calls) == 2
    assert len(on.said(CacheHit)) == 2


# -- the request

CALL = ProviderCall(
    call_id="c1", model="m", prompt="p", turns=(UserTurn("a"), ModelTurn("b")), system="s", options={"beta": 1}
)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"}, {"prompt": "q"}, {"prompt": ""}, {"turns": ()}, {"turns": (UserTurn("a"), UserTurn("b"))},
        {"turns": (UserTurn("a"), ModelTurn("c"))}, {"system": None}, {"system": "t"}, {"options": {}},
        {"options": {"beta": 2}}, {"schema": {"type": "object"}}, {"max_tokens": 10}, {"temperature": 0.5},
        {"top_p": 0.5}, {"top_k": 5}, {"functions": ({"name": "f"},)},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_else_is_asked_is_another_request(change: dict[str, Any]) -> None:
    assert request_hash("claude", replace(CALL, **change), offline=False) != request_hash("claude", CALL, offline=False)


def test_another_provider_and_a_made_up_answer_are_other_requests() -> None:
    hashes = {request_hash(name, CALL, offline=off) for name in ("claude", "openai") for off in (True, False)}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"call_id": "c2"},
        {"timeout_s": 1.0},
        {"stream": False},
        {"turns": (UserTurn("a"), ModelTurn("b", raw={"x": 1}))},
    ],
    ids=str,
)
def test_how_a_call_is_made_is_no_part_of_the_request(change: dict[str, Any]) -> None:
    assert request_hash("claude", replace(CALL, **change), offline=False) == request_hash("claude", CALL, offline=False)


async def test_neither_key_nor_entry_hold_what_was_asked() -> None:
    on = stage("an answer")
    await on.run(prompt="canary of the prompt", system="canary of the system")
    [(request, record)] = on.written
    assert record is not None
    assert len(request) == 64
    assert set(request) <= set("0123456789abcdef")
    assert "canary" not in request + encode(record).decode()
