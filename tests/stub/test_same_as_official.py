"""The official clients and ours get the same text, tools, usage and stop reason from the same answers."""

from dataclasses import dataclass
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from elexirion.agents.providers.port import ProviderResult
from google import genai
from google.genai import types

from tests.agents.providers.calling import CANARY_KEY, MODELS, a_call, a_provider, outcome
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedFunction, ScriptedUsage

TOOLS = tuple({"name": name, "parameters": {"type": "object", "properties": {}}} for name in ("look_up", "weigh"))
LOOK_UP = ScriptedFunction(name="look_up", arguments={"query": "Flüsse 😀", "n": [1, 2.5, None], "deep": {"a": "\n"}})
WEIGH = ScriptedFunction(name="weigh", arguments={})
PLAIN = ScriptedUsage(input=100, output=20)
SCRIPTS = {
    "plain": Answer(chunks=("Rivers ", "carve ", "välleys. 😀"), usage=PLAIN),
    "one_chunk": Answer(chunks=("Rivers",), usage=PLAIN),
    "several_blocks": Answer(chunks=("one", " two", "three "), text_blocks=3, usage=PLAIN),
    "thinking": Answer(chunks=("a", "b"), thinking="hm, let me see", usage=PLAIN),
    "max_tokens": Answer(chunks=("half an",), stop_reason="max_tokens", usage=PLAIN),
    "cache_read": Answer(chunks=("a",), usage=ScriptedUsage(input=10, output=2, cache_read=3000)),
    "cache_write": Answer(chunks=("a",), usage=ScriptedUsage(input=10, output=2, cache_write=4000, cache_read=7)),
    "thoughts": Answer(chunks=("a",), usage=ScriptedUsage(input=10, output=2, thoughts=50)),
    "tool": Answer(chunks=(), functions=(LOOK_UP,), usage=PLAIN),
    "text_and_tools": Answer(chunks=("first ", "this"), functions=(LOOK_UP, WEIGH), usage=PLAIN),
    "thinking_and_tool": Answer(chunks=("well",), thinking="hm", functions=(LOOK_UP,), usage=PLAIN),
    "split_bytes": Answer(chunks=("ä€😀", " end"), functions=(LOOK_UP,), split_bytes=1, usage=PLAIN),
}


@dataclass(frozen=True)
class Read:
    """What a client got of an answer; tokens as we count them."""

    text: str
    tools: tuple[tuple[str, dict[str, Any]], ...]
    input_tokens: int
    output_tokens: int
    cache_read: int
    cache_write: int
    stop_reason: str


def ours(result: ProviderResult) -> Read:
    used = result.usage
    return Read(
        result.text, tuple((one.name, one.arguments) for one in result.function_calls), used.input_tokens,
        used.output_tokens, used.cache_read_tokens, used.cache_write_tokens, result.stop_reason,
    )  # fmt: skip


async def claude(stub: StubServer, stream: bool) -> Read:
    client = AsyncAnthropic(base_url=stub.url, api_key=CANARY_KEY, max_retries=0)
    tools: Any = [{"name": tool["name"], "input_schema": tool["parameters"]} for tool in TOOLS]
    asked: Any = {"model": MODELS["claude"], "max_tokens": 100, "messages": [{"role": "user", "content": "rivers"}]}
    if stream:
        async with client.messages.stream(**asked, tools=tools) as streamed:
            message: Any = await streamed.get_final_message()
    else:
        message = await client.messages.create(**asked, tools=tools)
    await client.close()
    text = "".join(block.text for block in message.content if block.type == "text")
    called = tuple((block.name, block.input) for block in message.content if block.type == "tool_use")
    used = message.usage
    return Read(
        text, called, used.input_tokens, used.output_tokens, used.cache_read_input_tokens,
        used.cache_creation_input_tokens, message.stop_reason,
    )  # fmt: skip


async def gemini(stub: StubServer, stream: bool) -> Read:
    retry = types.HttpRetryOptions(attempts=1)
    options = types.HttpOptions(base_url=stub.url, retry_options=retry)
    client = genai.Client(api_key=CANARY_KEY, http_options=options)
    declared = [types.FunctionDeclaration(name=one["name"], parameters_json_schema=one["parameters"]) for one in TOOLS]
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=declared)],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked: Any = {"model": MODELS["gemini"], "contents": "rivers", "config": config}
    models = client.aio.models
    pieces = (
        [piece async for piece in await models.generate_content_stream(**asked)]
        if stream
        else [await models.generate_content(**asked)]
    )
    parts = [part for piece in pieces for part in (piece.parts or [])]
    text = "".join(part.text or "" for part in parts if not part.thought)
    called = tuple((one.name or "", one.args or {}) for piece in pieces for one in piece.function_calls or [])
    used, candidates = pieces[-1].usage_metadata, pieces[-1].candidates
    assert used is not None
    assert candidates
    assert candidates[0].finish_reason is not None
    cached = used.cached_content_token_count or 0
    # As the API counts: the prompt with what was cached of it, thoughts apart from the answer; no word for tool use.
    stop = {"STOP": "tool_use" if called else "end_turn", "MAX_TOKENS": "max_tokens"}[candidates[0].finish_reason.name]
    return Read(
        text, called, (used.prompt_token_count or 0) - cached,
        (used.candidates_token_count or 0) + (used.thoughts_token_count or 0), cached, 0, stop,
    )  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("name", "official"), [("claude", claude), ("gemini", gemini)])
async def test_the_official_client_and_ours_read_the_same(
    stub: StubServer, name: str, official: Any, script: str, stream: bool
) -> None:
    answer = SCRIPTS[script]
    if name == "gemini" and answer.stop_reason:
        answer = answer.model_copy(update={"stop_reason": answer.stop_reason.upper()})
    stub.answer(answer)
    provider = a_provider(name, stub)
    _, result = await outcome(provider, a_call(name, "rivers", functions=TOOLS, stream=stream))
    await provider.aclose()
    theirs = await official(stub, stream)
    assert ours(result) == theirs
    assert theirs.text == "".join(answer.chunks or ())
    assert [tool for tool, _ in theirs.tools] == [function.name for function in answer.functions]
    assert theirs.output_tokens == answer.usage.output + answer.usage.thoughts
