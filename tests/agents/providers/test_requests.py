"""What our clients send, as the stub saw it, and the bodies they build."""

import pytest
from elexirion.agents.providers.anthropic import AnthropicWire
from elexirion.agents.providers.anthropic import request_body as anthropic_body
from elexirion.agents.providers.gemini import GeminiWire
from elexirion.agents.providers.gemini import request_body as gemini_body
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.openai import OpenAIWire
from elexirion.agents.providers.openai import request_body as openai_body
from elexirion.agents.providers.prices import load_prices

from tests.agents.providers.calling import CANARY_KEY, a_call, a_provider, outcome
from tests.stub.client import StubServer


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_the_call_id_travels_as_idempotency_key(stub: StubServer, name: str) -> None:
    await outcome(a_provider(name, stub), a_call(name))
    (call,) = stub.calls()
    assert call.asked.call_id == "run-1/step#1/1"
    assert call.asked.model == a_call(name).model
    assert CANARY_KEY not in repr(call)


@pytest.mark.parametrize("auth", ["x-api-key", "bearer"])
async def test_both_authentication_forms_of_anthropic_can_be_used(stub: StubServer, auth: str) -> None:
    wire = AnthropicWire(CANARY_KEY, stub.url, auth=auth)  # type: ignore[arg-type]  # from a list
    await outcome(HttpProvider(wire, load_prices()), a_call("claude"))
    assert stub.calls()[0].asked.auth == auth


async def test_sampling_parameters_go_out_under_the_version_that_takes_them(stub: StubServer) -> None:
    provider = a_provider("claude", stub)
    await outcome(provider, a_call("claude"))
    await outcome(provider, a_call("claude", temperature=0.0))
    assert [call.asked.version for call in stub.calls()] == ["2026-10-21", "2023-06-01"]


@pytest.mark.parametrize(("path", "version"), [("", "v1"), ("/", "v1"), ("/v1", "v1"), ("/v1beta", "v1beta")])
async def test_the_base_url_can_choose_the_path_version_of_gemini(stub: StubServer, path: str, version: str) -> None:
    provider = HttpProvider(GeminiWire(CANARY_KEY, stub.url + path), load_prices())
    await outcome(provider, a_call("gemini"))
    await outcome(provider, a_call("gemini", stream=False))
    assert {call.asked.version for call in stub.calls()} == {version}


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_the_base_url_of_anthropic_may_end_in_its_version(stub: StubServer, path: str) -> None:
    await outcome(HttpProvider(AnthropicWire(CANARY_KEY, stub.url + path), load_prices()), a_call("claude"))


async def test_a_connection_is_used_again_after_a_streamed_answer(stub: StubServer) -> None:
    for name in ("claude", "gemini", "openai"):
        provider = a_provider(name, stub)
        await outcome(provider, a_call(name))
        await outcome(provider, a_call(name))
        pool = provider._transport._client._transport._pool  # type: ignore[attr-defined]  # httpx shows it nowhere else
        assert pool.connections[0].info().endswith("Request Count: 2")
        assert len(pool.connections) == 1
        await provider.aclose()


def test_an_anthropic_body_holds_what_was_asked_and_nothing_unset() -> None:
    assert anthropic_body(a_call("claude", "hi")) == {
        "model": "claude-opus-5-5",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
    }
    call = a_call(
        "claude",
        "hi",
        system="be brief",
        max_tokens=5,
        temperature=0.0,
        stream=False,
        functions=({"name": "f"},),
        options={"effort": "low", "stop_sequences": ["END"], "max_turns": 3},
    )
    assert anthropic_body(call) == {
        "model": "claude-opus-5-5",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "system": "be brief",
        "temperature": 0.0,
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
        "output_config": {"effort": "low"},
        "stop_sequences": ["END"],
    }


def test_a_schema_that_cannot_constrain_the_answer_is_told_to_the_model() -> None:
    closed = {"type": "object", "properties": {"a": {"type": "string"}}}
    strict = anthropic_body(a_call("claude", schema=closed))
    assert strict["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert "system" not in strict
    loose = anthropic_body(a_call("claude", schema={"type": "object"}, system="be brief"))
    assert "output_config" not in loose
    assert loose["system"].startswith("be brief\n\n")
    assert loose["system"].endswith('{"type":"object"}')


def test_a_gemini_body_holds_what_was_asked_and_nothing_unset() -> None:
    assert gemini_body(a_call("gemini", "hi")) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    schema = {"type": "object", "properties": {}}
    call = a_call(
        "gemini",
        "hi",
        system="be brief",
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        schema=schema,
        functions=({"name": "f", "description": "d", "parameters": schema}, {"name": "g"}),
    )
    assert gemini_body(call) == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "generationConfig": {
            "maxOutputTokens": 5,
            "temperature": 0.0,
            "topP": 0.5,
            "topK": 3,
            "responseMimeType": "application/json",
            "responseJsonSchema": schema,
        },
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "f", "description": "d", "parametersJsonSchema": schema},
                    {"name": "g"},
                ]
            }
        ],
    }


def test_a_schema_in_geminis_own_dialect_goes_where_it_is_understood() -> None:
    schema = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
    body = gemini_body(a_call("gemini", schema=schema, functions=({"name": "f", "parameters": schema},)))
    assert body["generationConfig"]["responseSchema"] == schema
    assert body["tools"][0]["functionDeclarations"][0]["parameters"] == schema


def test_an_openai_body_holds_what_was_asked_and_nothing_unset() -> None:
    assert openai_body(a_call("openai", "hi")) == {
        "model": "model-at-home",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    call = a_call(
        "openai",
        "hi",
        system="be brief",
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        stream=False,
        functions=({"name": "f", "description": "d"},),
        options={"stop_sequences": ["END"], "seed": 0, "effort": "of another provider", "function_use": "required"},
    )
    parameters = {"type": "object", "properties": {}}
    assert openai_body(call) == {
        "model": "model-at-home",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        "max_tokens": 5,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ["END"],
        "seed": 0,
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": parameters}}],
        "tool_choice": "required",
    }


def test_a_schema_is_strict_for_openai_only_where_all_of_it_is_required() -> None:
    inner = {"type": "object", "properties": {"b": {"type": "integer", "minimum": 1}}, "required": ["b"]}
    schema = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    strict = openai_body(a_call("openai", schema=schema))["response_format"]["json_schema"]
    assert strict["strict"] is True
    assert strict["schema"]["properties"]["a"]["additionalProperties"] is False
    for loose in ({**schema, "required": []}, {**schema, "properties": {"a": {**inner, "required": []}}}):
        assert openai_body(a_call("openai", schema=loose))["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": loose},
        }


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_the_base_url_of_openai_may_leave_its_path_out(stub: StubServer, path: str) -> None:
    await outcome(HttpProvider(OpenAIWire("", stub.url + path), load_prices()), a_call("openai"))


def test_openais_own_address_knows_the_token_limit_by_its_newer_name() -> None:
    call = a_call("openai", max_tokens=5)
    assert OpenAIWire("k", "https://api.openai.com/v1").body(call)["max_completion_tokens"] == 5
    assert OpenAIWire("k", "http://127.0.0.1:8000/v1").body(call)["max_tokens"] == 5
    assert OpenAIWire("", "https://example.com/api/v3").url(call) == "https://example.com/api/v3/chat/completions"


def test_a_function_that_has_to_be_called_is_demanded_of_gemini() -> None:
    functions = ({"name": "f"},)
    body = gemini_body(a_call("gemini", functions=functions, options={"function_use": "required"}))
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    for call in (
        a_call("gemini", functions=functions, options={"function_use": "expected"}),
        a_call("gemini", options={"function_use": "required"}),
    ):
        assert "toolConfig" not in gemini_body(call)
