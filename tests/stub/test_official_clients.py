"""The stub is accurate: the official client packages run against it."""

from typing import Any

import anthropic
import orjson
import pytest
from anthropic import Anthropic, AsyncAnthropic
from google import genai
from google.genai import errors, types

from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction, ScriptedUsage

KEY = "key-of-a-test"
USAGE = ScriptedUsage(input=100, output=20, cache_read=30)
TEXT = Answer(chunks=("Rivers ", "carve ", "välleys. 😀"), usage=USAGE, thinking="hm")
FUNCTION = Answer(chunks=(), functions=(ScriptedFunction(name="look_up", arguments={"query": "ü", "n": 3}),))
TWO_FUNCTIONS = Answer(
    chunks=("first",),
    thinking="hm",
    functions=(*FUNCTION.functions, ScriptedFunction(name="weigh", arguments={})),
)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
ASKED: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Tell me about rivers"}],
}


def _anthropic(stub: StubServer, **options: Any) -> Anthropic:
    return Anthropic(base_url=stub.url, max_retries=0, **({"api_key": KEY} | options))


def _gemini(stub: StubServer, **options: Any) -> genai.Client:
    """A client to be held in a variable: it closes itself as soon as nothing refers to it."""
    retry = types.HttpRetryOptions(attempts=1)
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=stub.url, retry_options=retry, **options))


def test_anthropic_reads_a_whole_message(stub: StubServer) -> None:
    stub.answer(TEXT)
    message = _anthropic(stub).messages.create(**ASKED)
    assert [block.text for block in message.content if block.type == "text"] == ["Rivers carve välleys. 😀"]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (100, 20)
    assert message.usage.cache_read_input_tokens == 30
    assert message.stop_reason == "end_turn"


def test_anthropic_reads_a_streamed_message(stub: StubServer) -> None:
    stub.answer(TEXT)
    with _anthropic(stub).messages.stream(**ASKED) as stream:
        assert list(stream.text_stream) == list(TEXT.chunks or ())
        message = stream.get_final_message()
    assert (message.usage.input_tokens, message.usage.output_tokens) == (100, 20)
    assert message.usage.cache_read_input_tokens == 30
    assert message.stop_reason == "end_turn"


async def test_the_asynchronous_client_of_anthropic_streams_too(stub: StubServer) -> None:
    stub.answer(TEXT)
    async with AsyncAnthropic(base_url=stub.url, api_key=KEY).messages.stream(**ASKED) as stream:
        assert [text async for text in stream.text_stream] == list(TEXT.chunks or ())


@pytest.mark.parametrize("stream", [True, False])
def test_anthropic_reads_a_tool_call(stub: StubServer, stream: bool) -> None:
    stub.answer(FUNCTION)
    tools: Any = [{"name": "look_up", "input_schema": SCHEMA}]
    if stream:
        with _anthropic(stub).messages.stream(**ASKED, tools=tools) as streamed:
            message: Any = streamed.get_final_message()
    else:
        message = _anthropic(stub).messages.create(**ASKED, tools=tools)
    (block,) = message.content
    assert (block.type, block.name, block.input) == ("tool_use", "look_up", {"query": "ü", "n": 3})
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("stream", [True, False])
def test_anthropic_goes_on_after_the_results_of_tools(stub: StubServer, stream: bool) -> None:
    stub.script(Rule(nth=1, answer=TWO_FUNCTIONS))
    tools: Any = [{"name": "look_up", "input_schema": SCHEMA}]
    client = _anthropic(stub)
    if stream:
        with client.messages.stream(**ASKED, tools=tools) as streamed:
            asked: Any = streamed.get_final_message()
    else:
        asked = client.messages.create(**ASKED, tools=tools)
    called = [block for block in asked.content if block.type == "tool_use"]
    results: Any = [{"type": "tool_result", "tool_use_id": one.id, "content": f"found {one.name}"} for one in called]
    said: Any = [*ASKED["messages"], {"role": "assistant", "content": asked.content}]
    answer: Any = client.messages.create(
        **{**ASKED, "messages": [*said, {"role": "user", "content": results}]}, tools=tools
    )
    assert answer.content[0].text == "You said: Tell me about rivers first found look_up found weigh "
    with pytest.raises(anthropic.BadRequestError, match="tool_result"):
        client.messages.create(**{**ASKED, "messages": [*said, {"role": "user", "content": results[:1]}]}, tools=tools)


def test_anthropic_gets_an_answer_by_a_schema(stub: StubServer) -> None:
    config: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    message: Any = _anthropic(stub).messages.create(**ASKED, output_config=config)
    assert isinstance(orjson.loads(message.content[0].text)["a"], int)


def test_the_stub_takes_both_authentication_forms_of_anthropic(stub: StubServer) -> None:
    # The package sends keys as bearer tokens today and sent x-api-key in its versions before 2.0.
    _anthropic(stub).messages.create(**ASKED)
    _anthropic(stub, api_key=None, auth_token=KEY).messages.create(**ASKED)
    headers: Any = {"x-api-key": KEY, "authorization": anthropic.Omit()}
    _anthropic(stub, default_headers=headers).messages.create(**ASKED)
    assert [call.asked.auth for call in stub.calls()] == ["bearer", "bearer", "x-api-key"]
    assert {call.asked.version for call in stub.calls()} == {"2026-10-21"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.APIStatusError),
    ],
)
def test_anthropic_reads_the_stubs_errors(stub: StubServer, status: int, error: type[anthropic.APIStatusError]) -> None:
    stub.answer(Answer(status=status, error_message="no"))
    with pytest.raises(error) as raised:
        _anthropic(stub).messages.create(**ASKED)
    assert raised.value.api_message == "no"


def test_anthropic_reads_an_error_inside_a_stream(stub: StubServer) -> None:
    stub.answer(Answer(chunks=("a", "b"), error_after_chunk=1))
    with pytest.raises(anthropic.APIStatusError) as raised, _anthropic(stub).messages.stream(**ASKED) as stream:
        list(stream.text_stream)
    assert raised.value.type == "overloaded_error"


def test_the_stub_refuses_what_the_api_version_refuses(stub: StubServer) -> None:
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        _anthropic(stub).messages.create(**ASKED, extra_body={"temperature": 1.0})


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_gemini_reads_a_whole_answer(stub: StubServer, version: str) -> None:
    stub.answer(TEXT)
    client = _gemini(stub, api_version=version)
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="rivers")
    assert answer.text == "Rivers carve välleys. 😀"
    _check_gemini(answer)
    (call,) = stub.calls()
    assert (call.asked.version, call.asked.auth, call.asked.prompt) == (version, "x-goog-api-key", "rivers")


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_gemini_reads_a_streamed_answer(stub: StubServer, version: str) -> None:
    stub.answer(TEXT)
    client = _gemini(stub, api_version=version)
    pieces = list(client.models.generate_content_stream(model="gemini-3.8-flash", contents="rivers"))
    assert [piece.text for piece in pieces if piece.text] == list(TEXT.chunks or ())
    _check_gemini(pieces[-1])


async def test_the_asynchronous_client_of_gemini_streams_too(stub: StubServer) -> None:
    stub.answer(TEXT)
    client = _gemini(stub)
    streamed = await client.aio.models.generate_content_stream(model="gemini-3.8-flash", contents="rivers")
    pieces = [piece async for piece in streamed]
    assert [piece.text for piece in pieces if piece.text] == list(TEXT.chunks or ())
    _check_gemini(pieces[-1])


def test_our_default_path_version_is_that_of_the_official_client(stub: StubServer) -> None:
    client = _gemini(stub)
    client.models.generate_content(model="gemini-3.8-flash", contents="rivers")
    assert stub.calls()[0].asked.version == "v1"


@pytest.mark.parametrize("stream", [True, False])
def test_gemini_reads_a_function_call(stub: StubServer, stream: bool) -> None:
    stub.answer(FUNCTION)
    declared = types.FunctionDeclaration(name="look_up", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    asked: Any = {"model": "gemini-3.8-flash", "contents": "rivers", "config": config}
    client = _gemini(stub)
    models = client.models
    answer = list(models.generate_content_stream(**asked))[-1] if stream else models.generate_content(**asked)
    assert answer.function_calls is not None
    (called,) = answer.function_calls
    assert (called.name, called.args) == ("look_up", {"query": "ü", "n": 3})


@pytest.mark.parametrize("stream", [True, False])
def test_gemini_goes_on_after_the_results_of_functions(stub: StubServer, stream: bool) -> None:
    stub.script(Rule(nth=1, answer=TWO_FUNCTIONS))
    declared = types.FunctionDeclaration(name="look_up", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    client = _gemini(stub)
    chat = client.chats.create(model="gemini-3.8-flash", config=config)
    pieces = list(chat.send_message_stream("rivers")) if stream else [chat.send_message("rivers")]
    called = [one for piece in pieces for one in piece.function_calls or []]
    assert [one.name for one in called] == ["look_up", "weigh"]
    results = [
        types.Part.from_function_response(name=one.name or "", response={"output": f"found {one.name}"})
        for one in called
    ]
    with pytest.raises(errors.ClientError, match="function response parts"):
        chat.send_message([results[0]])
    assert (chat.send_message([*results]).text or "").endswith("found look_up found weigh ")


def test_gemini_gets_an_answer_by_a_schema(stub: StubServer) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)
    client = _gemini(stub)
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="rivers", config=config)
    assert isinstance(orjson.loads(answer.text or "")["a"], int)


@pytest.mark.parametrize(
    ("status", "error"), [(400, errors.ClientError), (429, errors.ClientError), (503, errors.ServerError)]
)
def test_gemini_reads_the_stubs_errors(stub: StubServer, status: int, error: type[errors.APIError]) -> None:
    stub.answer(Answer(status=status, error_message="no"))
    client = _gemini(stub)
    with pytest.raises(error) as raised:
        client.models.generate_content(model="gemini-3.8-flash", contents="rivers")
    assert (raised.value.code, raised.value.message) == (status, "no")


def _check_gemini(answer: types.GenerateContentResponse) -> None:
    usage = answer.usage_metadata
    assert usage is not None
    assert usage.prompt_token_count == 130
    assert (usage.cached_content_token_count, usage.candidates_token_count) == (30, 20)
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
