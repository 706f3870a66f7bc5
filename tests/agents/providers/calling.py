"""How the tests of providers make calls."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from elexirion.agents.providers.anthropic import AnthropicWire
from elexirion.agents.providers.deadlines import Deadlines
from elexirion.agents.providers.gemini import GeminiWire
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.offline import OfflineProvider
from elexirion.agents.providers.openai import OpenAIWire
from elexirion.agents.providers.port import Provider, ProviderCall, ProviderFailed, ProviderResult, TextChunk
from elexirion.agents.providers.prices import PriceTable, load_prices
from elexirion.agents.providers.wire_format import WireFormat

from tests.stub.client import StubServer

CANARY_KEY = "sk-canary-0123456789abcdef"
_AT_HOME = {"from": "2026-01-01", "input": 1, "output": 2, "cache_read": 1}
PRICES = load_prices().overridden_by(PriceTable.model_validate({"models": {"model-at-home": [_AT_HOME]}}))
MODELS = {
    "claude": "claude-opus-5-5",
    "gemini": "gemini-3.8-flash",
    "openai": "model-at-home",
    "offline": "claude-opus-5-5",
}


def a_call(provider: str, prompt: str = "Tell me about rivers", **fields: Any) -> ProviderCall:
    return ProviderCall(call_id="run-1/step#1/1", model=MODELS[provider], prompt=prompt, **fields)


def a_wire(name: str, url: str) -> WireFormat:
    """The wire format of this name at `url`; raises KeyError where there is none."""
    wires: dict[str, Callable[[str, str], WireFormat]] = {
        "claude": AnthropicWire,
        "gemini": GeminiWire,
        "openai": OpenAIWire,
    }
    return wires[name](CANARY_KEY, url)


def a_provider(
    name: str, stub: StubServer, deadlines: Deadlines | None = None, *, url: str = "", connections: int = 10
) -> Provider:
    """The provider of this name at the stub, or at `url`."""
    if name == "offline":
        return OfflineProvider(tokens_per_s=100_000)
    return HttpProvider(a_wire(name, url or stub.url), PRICES, connections=connections, deadlines=deadlines)


async def outcome(provider: Provider, call: ProviderCall) -> tuple[list[str], ProviderResult]:
    """The texts of the chunks and the result, having checked that the result came last and once."""
    texts: list[str] = []
    results: list[ProviderResult] = []
    async with aclosing(provider.execute(call)) as outputs:
        async for output in outputs:
            assert not results, "nothing comes after the result"
            match output:
                case TextChunk(text=text):
                    texts.append(text)
                case ProviderResult():
                    results.append(output)
    assert len(results) == 1
    return texts, results[0]


async def failure(provider: Provider, call: ProviderCall) -> ProviderFailed:
    """How the call failed; the test fails if it did not."""
    with pytest.raises(ProviderFailed) as raised:
        await outcome(provider, call)
    return raised.value
