"""Conversations of several turns: what was said, called and answered goes out again as the format wants it."""

from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from elexirion.agents.providers.anthropic_message import MessageReader
from elexirion.agents.providers.anthropic_turns import messages as anthropic_messages
from elexirion.agents.providers.failures import CallError
from elexirion.agents.providers.gemini_turns import contents
from elexirion.agents.providers.openai_turns import messages as openai_messages
from elexirion.agents.providers.port import (
    FunctionCall,
    FunctionResult,
    FunctionTurn,
    ModelTurn,
    Provider,
    ProviderCall,
    ProviderResult,
    Turn,
    UserTurn,
)
from elexirion.events.canonical import content_hash

from tests.agents.providers.calling import a_call, a_provider, failure, outcome
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction

FUNCTIONS: tuple[dict[str, Any], ...] = (
    {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "array"}}}},
    {"name": "g"},
)
CALLING = Answer(
    chunks=("let me ", "see"),
    thinking="hm, what do I need",
    functions=(ScriptedFunction(name="f", arguments={"a": [1, "ü"]}), ScriptedFunction(name="g", arguments={})),
)
WIRES = {"claude": anthropic_messages, "gemini": contents, "openai": openai_messages}


@pytest.fixture(params=["claude", "gemini", "openai"])
async def provider(request: pytest.FixtureRequest, stub: StubServer) -> AsyncIterator[Provider]:
    provider = a_provider(request.param, stub)
    yield provider
    await provider.aclose()


def _answered(call: ProviderCall, result: ProviderResult, *contents: str, is_error: bool = False) -> ProviderCall:
    results = tuple(
        FunctionResult(one.id, one.name, said, is_error)
        for one, said in zip(result.function_calls, contents, strict=True)
    )
    turns = (UserTurn(call.prompt), ModelTurn(result.text, result.function_calls, result.raw), FunctionTurn(results))
    return replace(call, turns=(*call.turns, *turns), prompt="")


@pytest.mark.parametrize("stream", [True, False])
async def test_the_results_of_functions_lead_to_an_answer_that_knows_them(
    provider: Provider, stub: StubServer, stream: bool
) -> None:
    stub.script(Rule(nth=1, answer=CALLING))
    asked = a_call(provider.name, "weather?", functions=FUNCTIONS, stream=stream)
    _, calling = await outcome(provider, asked)
    assert [call.name for call in calling.function_calls] == ["f", "g"]
    assert len({call.id for call in calling.function_calls}) == 2
    _, told = await outcome(provider, _answered(asked, calling, "it rains in Öland", "2 °C"))
    assert "it rains in Öland 2 °C" in told.text
    assert told.function_calls == ()


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_goes_back_as_the_provider_wrote_it(provider: Provider, stub: StubServer, stream: bool) -> None:
    stub.script(Rule(nth=1, answer=CALLING))
    asked = a_call(provider.name, "weather?", functions=FUNCTIONS, stream=stream)
    _, calling = await outcome(provider, asked)
    await outcome(provider, _answered(asked, calling, "rain", "2"))
    first, second = stub.calls()
    assert second.asked.messages[: len(first.asked.messages)] == first.asked.messages
    written = orjson.dumps(second.asked.messages[len(first.asked.messages)]).decode()
    assert "hm, what do I need" in written
    if provider.name != "openai":  # whose format has no signatures
        assert "c3R1Yg==" in written
    assert "let me see" in written


async def test_a_streamed_answer_and_a_whole_one_are_told_alike(provider: Provider, stub: StubServer) -> None:
    stub.answer(CALLING)
    results = [
        (await outcome(provider, a_call(provider.name, functions=FUNCTIONS, stream=stream)))[1]
        for stream in (True, False)
    ]
    assert results[0].raw["wire"] == provider.name
    assert results[0] == results[1]


async def test_a_conversation_can_go_on_over_many_calls(provider: Provider, stub: StubServer) -> None:
    for nth in (1, 2, 3):
        stub.script(Rule(nth=1, answer=CALLING.model_copy(update={"chunks": (f"turn {nth}",)})))
    call = a_call(provider.name, "weather?", functions=FUNCTIONS)
    for _ in range(3):
        _, calling = await outcome(provider, call)
        call = _answered(call, calling, "rain", "", is_error=True)
    _, told = await outcome(provider, replace(call, prompt="and in one word?"))
    assert "and in one word?" in told.text
    assert len(stub.calls()) == 4


async def test_what_another_wire_format_answered_is_understood_too(provider: Provider, stub: StubServer) -> None:
    for other in WIRES.keys() - {provider.name}:
        stub.reset()
        stub.script(Rule(nth=1, answer=CALLING))
        elsewhere = a_provider(other, stub)
        asked = a_call(other, "weather?", functions=FUNCTIONS)
        _, calling = await outcome(elsewhere, asked)
        await elsewhere.aclose()
        here = replace(_answered(asked, calling, "rain", "2"), model=a_call(provider.name).model)
        _, told = await outcome(provider, here)
        assert "rain" in told.text
        assert "hm, what" not in orjson.dumps(stub.calls()[1].asked.messages).decode()


async def test_results_that_are_missing_are_refused_by_the_provider(provider: Provider, stub: StubServer) -> None:
    stub.script(Rule(nth=1, answer=CALLING))
    asked = a_call(provider.name, "weather?", functions=FUNCTIONS)
    _, calling = await outcome(provider, asked)
    said = ModelTurn(calling.text, calling.function_calls, calling.raw)
    failed = await failure(provider, replace(asked, turns=(UserTurn("weather?"), said), prompt="well?"))
    assert failed.failure.kind == "invalid_request"


async def test_texts_of_earlier_turns_do_not_get_into_a_failure(provider: Provider, stub: StubServer) -> None:
    secret = "the secret plan of the raven"
    stub.answer(Answer(status=400, error_message=f"bad message: {secret}"))
    turns = (UserTurn(secret), ModelTurn("ok then"))
    failed = await failure(provider, a_call(provider.name, "go on", turns=turns))
    assert secret not in str(failed)
    assert "bad message: …" in str(failed)


@pytest.mark.parametrize("cut", [0, 1])
def test_arguments_that_are_cut_off_are_no_call(cut: int) -> None:
    """At the token limit another attempt would not help; elsewhere it may."""
    reader = MessageReader()
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"a": [1,'}
    stop = {"stop_reason": ("end_turn", "max_tokens")[cut]}
    for event in (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ):
        reader.take(orjson.dumps(event).decode())
    assert reader.stop_reason() == stop["stop_reason"]
    with pytest.raises(CallError) as raised:
        reader.function_calls()
    assert raised.value.kind == ("bad_response", "invalid_request")[cut]


TURNS: tuple[Turn, ...] = (
    UserTurn("hi"),
    UserTurn(""),
    ModelTurn("well", (FunctionCall("f", {"a": 1}), FunctionCall("g", {}))),
    FunctionTurn((FunctionResult("", "f", "one"), FunctionResult("", "g", "no", is_error=True))),
    ModelTurn(""),
    ModelTurn("done"),
)
SAID = ProviderCall("id", "m", "and now?", TURNS, system="be brief")


def test_anthropic_gets_messages_in_turns_with_ids_that_pair() -> None:
    assert anthropic_messages(SAID) == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "well"},
                {"type": "tool_use", "id": "call_2_1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "call_2_2", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_2_1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "call_2_2", "content": "no", "is_error": True},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "done"}]},
        {"role": "user", "content": [{"type": "text", "text": "and now?"}]},
    ]


def test_anthropic_gets_results_and_what_is_said_after_them_in_one_message() -> None:
    (*_, last) = anthropic_messages(replace(SAID, turns=TURNS[:4]))
    assert [block["type"] for block in last["content"]] == ["tool_result", "tool_result", "text"]


def test_gemini_gets_contents_without_ids_where_there_were_none() -> None:
    assert contents(SAID) == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {
            "role": "model",
            "parts": [
                {"text": "well"},
                {
                    "functionCall": {"name": "f", "args": {"a": 1}},
                    "thoughtSignature": "skip_thought_signature_validator",
                },
                {"functionCall": {"name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"name": "g", "response": {"error": "no"}}},
            ],
        },
        {"role": "model", "parts": [{"text": "done"}]},
        {"role": "user", "parts": [{"text": "and now?"}]},
    ]


def test_openai_gets_the_system_prompt_first_and_each_result_by_itself() -> None:
    calls = [
        {"id": "call_2_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_2_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert openai_messages(SAID) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "well", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_2_1", "content": "one"},
        {"role": "tool", "tool_call_id": "call_2_2", "content": "no"},
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": "and now?"},
    ]


@pytest.mark.parametrize("wire", WIRES)
def test_an_empty_prompt_is_said_only_where_nothing_else_is(wire: str) -> None:
    assert len(WIRES[wire](ProviderCall("id", "m", ""))) == 1
    assert len(WIRES[wire](ProviderCall("id", "m", "", (UserTurn("hi"),)))) == 1


def test_what_was_asked_is_hashed_with_all_its_turns() -> None:
    hashes = {
        content_hash(asdict(call))
        for call in (
            SAID,
            replace(SAID, turns=TURNS[:-1]),
            replace(SAID, turns=(*TURNS[:-1], ModelTurn("done", raw={"wire": "claude", "content": [{"a": 1}]}))),
        )
    }
    assert len(hashes) == 3
