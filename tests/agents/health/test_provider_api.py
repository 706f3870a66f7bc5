"""A provider is asked for its models, which costs nothing; it degrades while it does not answer or refuses the key."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from elexirion.agents.health.checks import checks_from_outside
from elexirion.agents.health.provider_api import provider_api
from elexirion.agents.health.report import Check, cached
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.providers.registry import PROVIDERS, probe_of
from elexirion.agents.providers.wire_format import Probe
from elexirion.agents.settings import Settings

from tests.kafka_broker import free_port
from tests.stub.client import StubServer
from tests.stub.fixtures import stub, stub_process

__all__ = ["stub", "stub_process"]

Heard = list[bytes]


@asynccontextmanager
async def answering(port: int, status: Callable[[], str] = lambda: "404 Not Found") -> AsyncIterator[Heard]:
    """An HTTP server that answers every request so; what it was asked."""
    heard: Heard = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status()}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield heard


def a_check(port: int) -> Check:
    return provider_api(Probe(f"http://127.0.0.1:{port}/models", {"x-api-key": "k"}), "KEY_VARIABLE", None, 2)


async def test_an_address_that_knows_no_list_of_models_answers_all_the_same() -> None:
    port = free_port()
    async with answering(port):
        assert (await a_check(port)()).status == "healthy"


@pytest.mark.parametrize("lane", PROVIDERS)
async def test_each_provider_is_asked_for_its_models_with_the_key_and_never_called(stub: StubServer, lane: str) -> None:
    places = {f"{name}_base_url": stub.url for name in ("anthropic", "gemini", "openai")}
    keys = {entry.key_variable: "k" for entry in PROVIDERS.values()}
    settings = Settings.model_validate({**places, **keys})
    found = await checks_from_outside(settings, KafkaAddress("127.0.0.1:1"))[f"{lane}_api"]()
    assert (found.status, stub.calls()) == ("healthy", []), found
    keyless = Probe(probe_of(lane, settings).url, {})
    refused = await provider_api(keyless, "KEY_VARIABLE", None, 2)()
    assert (refused.status, "check KEY_VARIABLE" in refused.detail) == ("degraded", True)


@pytest.mark.parametrize("said", ["400 Bad Request", "403 Forbidden", "429 Too Many Requests", "307 Elsewhere"])
async def test_an_answer_that_promises_no_calls_degrades(said: str) -> None:
    port = free_port()
    async with answering(port, lambda: said):
        finding = await a_check(port)()
    assert finding.status == "degraded"
    assert said[:3] in finding.detail


@pytest.mark.parametrize("url", ["not a url", "http://[::1", "ftp://x"])
async def test_an_address_that_is_none_degrades_and_quotes_no_key(url: str) -> None:
    finding = await provider_api(Probe(url, {"x-api-key": "canary\r\n"}), "KEY_VARIABLE", None, 2)()
    assert finding.status == "degraded"
    assert "canary" not in finding.detail


async def test_it_degrades_while_nobody_answers_and_recovers() -> None:
    port = free_port()
    check = a_check(port)
    finding = await check()
    assert finding.status == "degraded"
    assert "does not answer" in finding.detail
    async with answering(port):
        assert (await check()).status == "healthy"
    assert (await check()).status == "degraded"


async def test_a_server_error_degrades() -> None:
    port, says = free_port(), ["503 Overloaded"]
    check = a_check(port)
    async with answering(port, lambda: says[0]):
        assert (await check()).status == "degraded"
        says[0] = "200 OK"
        assert (await check()).status == "healthy"


async def test_within_the_cache_s_time_it_is_asked_once() -> None:
    port, now = free_port(), [0.0]
    check = cached(a_check(port), 30, lambda: now[0])
    async with answering(port) as heard:
        for now[0] in (0.0, 15.0, 31.0):
            await check()
        assert len(heard) == 2


async def test_without_a_key_nothing_is_asked_and_nothing_degraded() -> None:
    port = free_port()
    async with answering(port) as heard:
        settings = Settings(
            anthropic_base_url=f"http://127.0.0.1:{port}", gemini_base_url=f"http://127.0.0.1:{port}",
            GEMINI_API_KEY="k", ANTHROPIC_API_KEY="", _env_file=None,
        )  # fmt: skip
        checks = checks_from_outside(settings, KafkaAddress("127.0.0.1:1"))
        claude, gemini = await checks["claude_api"](), await checks["gemini_api"]()
        assert (claude.status, gemini.status) == ("not_configured", "healthy")
        assert "ANTHROPIC_API_KEY" in claude.detail
        assert len(heard) == 1
