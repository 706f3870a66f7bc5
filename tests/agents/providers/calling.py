"""How the tests of providers make calls."""

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


def a_provider(name: str, stub: StubServer, deadlines: Deadlines | None = None) -> Provider:
    match name:
        case "claude":
            return HttpProvider(AnthropicWire(CANARY_KEY, stub.url), PRICES, deadlines=deadlines)
        case "gemini":
            return HttpProvider(GeminiWire(CANARY_KEY, stub.url), PRICES, deadlines=deadlines)
        case "openai":
            return HttpProvider(OpenAIWire(CANARY_KEY, stub.url), PRICES, deadlines=deadlines)
        case _:
            return OfflineProvider(tokens_per_s=100_000)


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
