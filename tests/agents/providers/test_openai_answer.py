"""Answers of the chat completions format, also as servers write them that took liberties with it."""

from typing import Any

import orjson
import pytest
from elexirion.agents.providers.failures import CallError, RefusalError
from elexirion.agents.providers.openai_answer import CompletionReader
from elexirion.agents.providers.port import FunctionCall
from elexirion.events.usage import NO_USAGE

from tests.agents.providers.calling import a_call, a_provider, outcome
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedUsage


def _chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "model": "m", "choices": [{"delta": delta, "finish_reason": finish}]}


def _read(*chunks: dict[str, Any] | str) -> CompletionReader:
    reader = CompletionReader()
    for chunk in chunks:
        reader.take(chunk if isinstance(chunk, str) else orjson.dumps(chunk).decode())
    return reader


def _piece(arguments: str = "", **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": fields.pop("name")} if "name" in fields else {})
    return {**fields, "function": function}


def test_the_marker_ends_an_answer_but_only_a_finish_reason_makes_it_whole() -> None:
    reader = _read(_chunk(content="half"), "[DONE]")
    assert reader.ended
    with pytest.raises(CallError) as raised:
        reader.stop_reason()
    assert raised.value.kind == "cut_stream"
    assert _read(_chunk(content="all"), _chunk("stop")).stop_reason() == "end_turn"


@pytest.mark.parametrize(
    "pieces",
    [
        [
            _piece(index=0, id="a", name="f"),
            _piece('{"x"', index=0),
            _piece(":1}", index=0),
            _piece("{}", index=1, id="b", name="g"),
        ],
        [_piece('{"x":1}', id="a", name="f"), _piece("{}", id="b", name="g")],
        [_piece('{"x":1}', index=0, id="a", name="f"), _piece("{}", index=0, id="b", name="g")],
        [_piece(index=0, id="a", name="f"), _piece('{"x":1}', index=0, id="a"), _piece(index=1, id="b", name="g")],
    ],
    ids=["as_described", "without_index", "one_index_for_all", "id_repeated"],
)
def test_calls_are_put_together_however_they_are_numbered(pieces: list[dict[str, Any]]) -> None:
    reader = _read(*(_chunk(tool_calls=[piece]) for piece in pieces), _chunk("tool_calls"), "[DONE]")
    assert reader.function_calls() == (FunctionCall("f", {"x": 1}, "a"), FunctionCall("g", {}, "b"))
    assert reader.stop_reason() == "tool_use"
    assert all(call.keys() == {"id", "type", "function"} for call in reader.content()["tool_calls"])


def test_calls_under_the_finish_reason_stop_are_calls_all_the_same() -> None:
    assert _read(_chunk(tool_calls=[_piece(id="a", name="f")]), _chunk("stop")).stop_reason() == "tool_use"


def test_what_a_server_adds_to_a_call_goes_back_with_it() -> None:
    signed = {**_piece("{}", id="a", name="f"), "extra_content": {"google": {"thought_signature": "c3R1Yg=="}}}
    (call,) = _read(_chunk("stop", tool_calls=[signed])).content()["tool_calls"]
    assert call["extra_content"] == signed["extra_content"]


@pytest.mark.parametrize(("finish", "kind"), [("tool_calls", "bad_response"), ("length", "invalid_request")])
def test_arguments_that_are_no_object_are_no_call(finish: str, kind: str) -> None:
    reader = _read(_chunk(finish, tool_calls=[_piece('{"x": ', id="a", name="f")]))
    with pytest.raises(CallError) as raised:
        reader.function_calls()
    assert raised.value.kind == kind


@pytest.mark.parametrize("chunk", [_chunk("content_filter"), _chunk("stop", refusal="I would rather not")])
def test_a_refusal_is_no_success(chunk: dict[str, Any]) -> None:
    with pytest.raises(CallError) as raised:
        _read(chunk).stop_reason()
    assert raised.value.kind == "content_filtered"


def test_chunks_without_choices_are_read_for_their_usage() -> None:
    counted = {"usage": {"prompt_tokens": 9, "completion_tokens": 2}, "choices": None}
    reader = _read(_chunk(content="a"), _chunk("stop"), counted, "[DONE]")
    assert (reader.usage.input_tokens, reader.usage.output_tokens, reader.text) == (9, 2, "a")


@pytest.mark.parametrize("error", [{"error": {"message": "m", "type": "server_error"}}, {"object": "error"}])
def test_an_error_in_place_of_a_chunk_is_one(error: dict[str, Any]) -> None:
    with pytest.raises(RefusalError):
        _read(error)


async def test_a_server_that_counts_no_tokens_leaves_the_cost_unknown(stub: StubServer) -> None:
    stub.answer(Answer(chunks=("a",), usage=ScriptedUsage(input=0, output=0)))
    provider = a_provider("openai", stub)
    _, result = await outcome(provider, a_call("openai"))
    await provider.aclose()
    assert (result.usage, result.cost_usd) == (NO_USAGE, None)
