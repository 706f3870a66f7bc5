"""A provider's address is asked without a key; it degrades while it does not answer, and recovers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from elexirion.agents.health.checks import checks_from_outside
from elexirion.agents.health.provider_api import provider_api
from elexirion.agents.health.report import cached
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.settings import Settings

from tests.kafka_broker import free_port

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


async def test_an_address_that_answers_anything_is_reachable() -> None:
    port = free_port()
    check = provider_api(f"http://127.0.0.1:{port}", None, 2)
    async with answering(port) as heard:
        assert (await check()).status == "healthy"
    assert b"authorization" not in heard[0].lower()
    assert b"x-api-key" not in heard[0].lower()


async def test_it_degrades_while_nobody_answers_and_recovers() -> None:
    port = free_port()
    check = provider_api(f"http://127.0.0.1:{port}", None, 2)
    finding = await check()
    assert finding.status == "degraded"
    assert "does not answer" in finding.detail
    async with answering(port):
        assert (await check()).status == "healthy"
    assert (await check()).status == "degraded"


async def test_a_server_error_degrades() -> None:
    port, says = free_port(), ["503 Overloaded"]
    check = provider_api(f"http://127.0.0.1:{port}", None, 2)
    async with answering(port, lambda: says[0]):
        assert (await check()).status == "degraded"
        says[0] = "200 OK"
        assert (await check()).status == "healthy"


async def test_within_the_cache_s_time_it_is_asked_once() -> None:
    port, now = free_port(), [0.0]
    check = cached(provider_api(f"http://127.0.0.1:{port}", None, 2), 30, lambda: now[0])
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
