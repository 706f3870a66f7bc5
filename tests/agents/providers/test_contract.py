"""What holds for every provider."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import jsonschema
import orjson
import pytest
from elexirion.agents.providers.port import Provider, TextChunk

from tests.agents.providers.calling import a_call, a_provider, outcome
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedFunction, ScriptedUsage

SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "score": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["title", "score"],
}
CALLED = {"function_use": "expected"}
FUNCTION: dict[str, Any] = {
    "name": "look_up",
    "description": "Looks something up",
    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
}


@pytest.fixture(params=["claude", "gemini", "openai", "offline"])
async def provider(request: pytest.FixtureRequest, stub: StubServer) -> AsyncIterator[Provider]:
    provider = a_provider(request.param, stub)
    yield provider
    await provider.aclose()


async def test_the_joined_chunks_are_the_text_of_the_result(provider: Provider) -> None:
    texts, result = await outcome(provider, a_call(provider.name, "Tell me about the rivers of the north"))
    assert len(texts) > 2
    assert "".join(texts) == result.text
    assert result.stop_reason == "end_turn"


async def test_without_streaming_the_same_text_comes_in_one_chunk(provider: Provider) -> None:
    _, streamed = await outcome(provider, a_call(provider.name))
    texts, whole = await outcome(provider, a_call(provider.name, stream=False))
    assert texts == [whole.text]
    assert whole == streamed


async def test_usage_and_cost_are_reported(provider: Provider) -> None:
    _, result = await outcome(provider, a_call(provider.name))
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0
    assert result.cost_usd is not None


async def test_another_prompt_gives_another_text(provider: Provider) -> None:
    _, rivers = await outcome(provider, a_call(provider.name, "Tell me about rivers"))
    _, lakes = await outcome(provider, a_call(provider.name, "Tell me about lakes"))
    assert rivers.text != lakes.text


@pytest.mark.parametrize("stream", [True, False])
async def test_a_schema_gets_an_answer_of_its_shape(provider: Provider, stream: bool) -> None:
    _, result = await outcome(provider, a_call(provider.name, schema=SCHEMA, stream=stream))
    jsonschema.validate(orjson.loads(result.text), SCHEMA)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_function_is_called_with_arguments_of_its_shape(provider: Provider, stream: bool) -> None:
    _, result = await outcome(provider, a_call(provider.name, functions=(FUNCTION,), stream=stream, options=CALLED))
    (called,) = result.function_calls
    assert called.name == "look_up"
    jsonschema.validate(called.arguments, FUNCTION["parameters"])
    assert result.stop_reason == "tool_use"


async def test_a_call_can_be_closed_after_its_first_chunk(provider: Provider) -> None:
    async with aclosing(provider.execute(a_call(provider.name))) as outputs:
        assert isinstance(await anext(outputs), TextChunk)
    await outcome(provider, a_call(provider.name))


async def test_features_are_told_one_by_one_and_together(provider: Provider) -> None:
    assert provider.supports_feature("streaming")
    assert all(provider.supports_feature(feature) for feature in provider.get_capabilities())


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
@pytest.mark.parametrize("stream", [True, False])
async def test_cached_and_thinking_tokens_are_counted(stub: StubServer, name: str, stream: bool) -> None:
    usage = ScriptedUsage(input=100, output=20, cache_read=30, thoughts=5)
    stub.answer(Answer(chunks=("a", "b"), usage=usage, thinking="hm, let me see"))
    provider = a_provider(name, stub)
    texts, result = await outcome(provider, a_call(name, stream=stream))
    assert "".join(texts) == result.text == "ab"
    assert (result.usage.input_tokens, result.usage.output_tokens) == (100, 25)
    assert result.usage.cache_read_tokens == 30
    await provider.aclose()


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_text_and_several_functions_come_together(stub: StubServer, name: str) -> None:
    wanted = (ScriptedFunction(name="f", arguments={"a": [1, "ü"]}), ScriptedFunction(name="g", arguments={}))
    stub.answer(Answer(chunks=("first ", "this"), functions=wanted))
    provider = a_provider(name, stub)
    texts, result = await outcome(provider, a_call(name, functions=(FUNCTION,)))
    assert texts == ["first ", "this"]
    assert [(one.name, one.arguments) for one in result.function_calls] == [("f", {"a": [1, "ü"]}), ("g", {})]
    await provider.aclose()


@pytest.mark.parametrize(("name", "theirs"), [("claude", "max_tokens"), ("gemini", "MAX_TOKENS"), ("openai", "length")])
async def test_an_answer_at_the_token_limit_is_a_success_that_says_so(stub: StubServer, name: str, theirs: str) -> None:
    stub.answer(Answer(chunks=("half an",), stop_reason=theirs))
    provider = a_provider(name, stub)
    _, result = await outcome(provider, a_call(name))
    assert result.stop_reason == "max_tokens"
    await provider.aclose()


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_an_unknown_model_has_no_cost_rather_than_none_at_all(stub: StubServer, name: str) -> None:
    stub.answer(Answer(chunks=("x",), model="some-model-of-tomorrow"))
    provider = a_provider(name, stub)
    _, result = await outcome(provider, a_call(name))
    assert result.model == "some-model-of-tomorrow"
    assert result.cost_usd is None
    await provider.aclose()


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_chunks_come_while_the_provider_is_still_answering(stub: StubServer, name: str) -> None:
    stub.answer(Answer(chunks=("early", "late"), hold_before_chunk=2))
    provider = a_provider(name, stub)
    async with aclosing(provider.execute(a_call(name))) as outputs:
        assert await anext(outputs) == TextChunk("early")
        assert stub.calls()[0].is_open
        stub.release()
        assert await anext(outputs) == TextChunk("late")
    await provider.aclose()


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_closing_a_call_early_ends_the_request(stub: StubServer, name: str) -> None:
    stub.answer(Answer(chunks=("early", "late"), hold_before_chunk=2))
    provider = a_provider(name, stub)
    async with aclosing(provider.execute(a_call(name))) as outputs:
        await anext(outputs)
    (call,) = stub.wait_for(lambda calls: not calls[0].is_open)
    assert call.states == ("opened", "first-byte", "client-disconnected")
    await provider.aclose()


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_cancelling_the_task_ends_the_request(stub: StubServer, name: str) -> None:
    stub.answer(Answer(chunks=("early", "late"), hold_before_chunk=2))
    provider = a_provider(name, stub)
    task = asyncio.create_task(outcome(provider, a_call(name)))
    await asyncio.to_thread(stub.wait_for, lambda calls: bool(calls) and "first-byte" in calls[0].states)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (call,) = await asyncio.to_thread(stub.wait_for, lambda calls: not calls[0].is_open)
    assert call.states[-1] == "client-disconnected"
    await provider.aclose()


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_a_provider_never_repeats_a_failed_call(stub: StubServer, name: str) -> None:
    stub.answer(Answer(status=503))
    provider = a_provider(name, stub)
    with pytest.raises(Exception, match="overloaded"):
        await outcome(provider, a_call(name))
    assert len(stub.calls()) == 1
    await provider.aclose()
