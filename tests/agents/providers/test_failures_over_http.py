"""Each way a call over HTTP can fail, against the stub, at every provider."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from elexirion.agents.providers.anthropic import AnthropicWire
from elexirion.agents.providers.anthropic_message import MessageReader
from elexirion.agents.providers.deadlines import Deadlines
from elexirion.agents.providers.failures import CallError
from elexirion.agents.providers.gemini import GeminiWire
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.openai import OpenAIWire
from elexirion.agents.providers.port import Provider, ProviderFailed
from elexirion.agents.providers.prices import load_prices
from elexirion.events.failure import FailureKind

from tests.agents.providers.calling import CANARY_KEY, a_call, a_provider, failure, outcome
from tests.stub.client import StubServer
from tests.stub.script import Answer

TEXT = ("one ", "two ", "three")


@dataclass(frozen=True)
class Case:
    """An answer and what becomes of it; `stream` is None where it fails in both modes."""

    title: str
    answer: Answer
    kind: FailureKind
    stream: bool | None = None
    deadlines: Deadlines | None = None
    call: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("400", Answer(status=400, error_message="messages: empty"), "invalid_request"),
    Case("400_too_long", Answer(status=400, error_message="prompt is too long: 9 > 8 maximum"), "context_length"),
    Case(
        "400_too_many_tokens",
        Answer(status=400, error_message="The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        "context_length",
    ),
    Case("400_no_credit", Answer(status=400, error_message="Your credit balance is too low to access"), "budget"),
    Case("400_bad_key", Answer(status=400, error_message="API key not valid. Please pass another."), "auth"),
    Case("401", Answer(status=401), "auth"),
    Case("402", Answer(status=402), "budget"),
    Case("403", Answer(status=403), "auth"),
    Case("404", Answer(status=404), "invalid_request"),
    Case("408", Answer(status=408), "timeout_total"),
    Case("413", Answer(status=413), "invalid_request"),
    Case("502_html", Answer(status=502, body="<html>bad gateway</html>"), "overloaded"),
    Case("504", Answer(status=504), "overloaded"),
    Case("307", Answer(status=307, headers={"location": "http://127.0.0.1:1/elsewhere"}), "invalid_request"),
    Case("204", Answer(status=202, body="{}"), "bad_response"),
    Case("huge_error_body", Answer(status=500, body="x" * 1_000_000), "overloaded"),
    Case(
        "too_slow_on_the_whole",
        Answer(chunks=TEXT * 50, delay_chunk_s=0.05),
        "timeout_total",
        stream=True,
        call={"timeout_s": 0.2},
    ),
    Case("too_slow_in_one_piece", Answer(delay_headers_s=5), "timeout_total", False, call={"timeout_s": 0.1}),
]


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
async def test_a_bad_answer_becomes_a_typed_failure(stub: StubServer, name: str, case: Case) -> None:
    stub.answer(case.answer)
    provider = a_provider(name, stub, case.deadlines)
    for stream in (True, False) if case.stream is None else (case.stream,):
        failed = await failure(provider, a_call(name, stream=stream, **case.call))
        assert failed.failure.kind == case.kind, failed
        assert failed.failure.provider == name
        assert CANARY_KEY not in str(failed)
        assert len(failed.failure.message) < 500
    await provider.aclose()


async def test_a_spend_limit_is_no_rate_limit(stub: StubServer) -> None:
    details = '{"error_code": "contract_spend_limit_reached"}'
    body = f'{{"error": {{"type": "rate_limit_error", "message": "no", "details": {details}}}}}'
    stub.answer(Answer(status=429, body=body))
    assert (await failure(a_provider("claude", stub), a_call("claude"))).failure.kind == "budget"


async def test_googles_retry_info_is_understood(stub: StubServer) -> None:
    info = '{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}'
    stub.answer(Answer(status=429, body=f'[{{"error": {{"status": "RESOURCE_EXHAUSTED", "details": [{info}]}}}}]'))
    failed = await failure(a_provider("gemini", stub), a_call("gemini"))
    assert (failed.failure.kind, failed.failure.retry_after_s) == ("rate_limited", 37.5)


def test_a_stop_reason_without_message_stop_is_no_end() -> None:
    reader = MessageReader()
    reader.take('{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}')
    with pytest.raises(CallError) as raised:
        reader.stop_reason()
    assert raised.value.kind == "cut_stream"
    reader.take('{"type": "message_stop"}')
    assert reader.stop_reason() == "end_turn"


async def test_a_refusal_by_the_model_is_no_success(stub: StubServer) -> None:
    stub.answer(Answer(chunks=("I ",), stop_reason="refusal"))
    assert (await failure(a_provider("claude", stub), a_call("claude"))).failure.kind == "content_filtered"


@pytest.mark.parametrize(
    ("finish", "kind"),
    [
        ("SAFETY", "content_filtered"),
        ("MALFORMED_FUNCTION_CALL", "bad_response"),
        ("PUP_LIMITED_DISABLED", "auth"),
    ],
)
async def test_a_finish_reason_that_is_no_success_fails(stub: StubServer, finish: str, kind: str) -> None:
    stub.answer(Answer(chunks=("I ",), stop_reason=finish))
    assert (await failure(a_provider("gemini", stub), a_call("gemini"))).failure.kind == kind


async def test_a_failed_call_tells_what_it_used_until_then(stub: StubServer) -> None:
    stub.answer(Answer(chunks=TEXT, cut_after_chunk=2))
    failed = await failure(a_provider("claude", stub), a_call("claude"))
    assert failed.usage.input_tokens == 11


async def test_an_error_body_without_end_is_read_only_so_far() -> None:
    def rage(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)

    with _server_that(rage) as url:
        for provider in _providers(url):
            assert (await failure(provider, a_call(provider.name, timeout_s=5))).failure.kind == "overloaded"


@pytest.mark.parametrize("url", ["ftp://example.com", "not a url", "http://[::1", "http://a:b:c"])
async def test_a_base_url_that_is_none_is_an_invalid_request(url: str) -> None:
    for provider in _providers(url):
        assert (await failure(provider, a_call(provider.name))).failure.kind == "invalid_request"


async def test_a_key_that_no_header_can_hold_is_not_quoted(stub: StubServer) -> None:
    key = "sk-canary\r\nx-evil: 1"
    for provider in (
        HttpProvider(AnthropicWire(key, stub.url), load_prices()),
        HttpProvider(GeminiWire(key, stub.url), load_prices()),
        HttpProvider(OpenAIWire(key, stub.url), load_prices()),
    ):
        failed = await failure(provider, a_call(provider.name))
        assert failed.failure.kind == "invalid_request"
        assert "canary" not in _everything_said(failed)


@pytest.mark.parametrize("name", ["claude", "gemini", "openai"])
async def test_a_provider_that_echoes_key_and_prompt_does_not_get_them_into_the_failure(
    stub: StubServer, name: str
) -> None:
    prompt = "the secret plan of the raven"
    stub.answer(Answer(status=400, error_message=f"bad key {CANARY_KEY} for {prompt} request"))
    failed = await failure(a_provider(name, stub), a_call(name, prompt))
    assert CANARY_KEY not in _everything_said(failed)
    assert prompt not in _everything_said(failed)
    assert '("bad key … for … request")' in str(failed)


async def test_a_full_lane_does_not_stop_another(stub: StubServer) -> None:
    stub.answer(Answer(chunks=("a", "b"), hold_before_chunk=2))
    claude = HttpProvider(AnthropicWire(CANARY_KEY, stub.url), load_prices(), connections=1)
    gemini = a_provider("gemini", stub)
    blocked = asyncio.create_task(outcome(claude, a_call("claude")))
    other = asyncio.create_task(outcome(gemini, a_call("gemini")))
    await asyncio.to_thread(stub.wait_for, lambda calls: len(calls) == 2)
    stub.release()
    assert (await blocked)[0] == (await other)[0] == ["a", "b"]


def _providers(url: str) -> list[Provider]:
    prices = load_prices()
    wires = (AnthropicWire(CANARY_KEY, url), GeminiWire(CANARY_KEY, url), OpenAIWire(CANARY_KEY, url))
    return [HttpProvider(wire, prices) for wire in wires]


def _everything_said(failed: ProviderFailed) -> str:
    """Whatever a careless log would print: the failure and each exception behind it."""
    said, seen = "", failed
    while seen is not None:
        said += repr(seen) + str(seen) + repr(seen.args)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)  # type: ignore[assignment]
    return said


@contextmanager
def _server_that(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hears something on each connection, lets `serve` answer, and closes it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
