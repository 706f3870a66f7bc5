"""Which provider serves which lane."""

from typing import Any

import pytest
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.offline import OfflineProvider
from elexirion.agents.providers.registry import PROVIDERS, missing_key, providers_for
from elexirion.agents.settings import Settings

from tests.agents.providers.calling import CANARY_KEY, a_call, outcome
from tests.stub.client import StubServer


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for entry in PROVIDERS.values():
        monkeypatch.delenv(entry.key_variable, raising=False)


def test_a_lane_without_its_key_names_the_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_key("claude", Settings()) == "ANTHROPIC_API_KEY"
    assert missing_key("gemini", Settings()) == "GEMINI_API_KEY"
    assert missing_key("local", Settings()) is None
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    monkeypatch.setenv("GEMINI_API_KEY", "  \n")
    assert missing_key("claude", Settings()) is None
    assert missing_key("gemini", Settings()) == "GEMINI_API_KEY"


def test_a_base_url_of_ones_own_still_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEXIRION_ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    assert missing_key("claude", Settings()) == "ANTHROPIC_API_KEY"


def test_only_openais_own_address_needs_a_key_of_the_openai_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_key("openai", Settings()) == "OPENAI_API_KEY"
    monkeypatch.setenv("ELEXIRION_OPENAI_BASE_URL", "http://127.0.0.1:11434")
    assert missing_key("openai", Settings()) is None
    monkeypatch.setenv("ELEXIRION_OPENAI_BASE_URL", "https://api.openai.com/v1/")
    assert missing_key("openai", Settings()) == "OPENAI_API_KEY"
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    assert missing_key("openai", Settings()) is None


async def test_a_server_that_asks_for_no_key_gets_none(monkeypatch: pytest.MonkeyPatch, stub: StubServer) -> None:
    monkeypatch.setenv("ELEXIRION_OPENAI_BASE_URL", stub.url)
    provider = providers_for(Settings(), offline=False)["openai"]
    await outcome(provider, a_call("openai"))
    await provider.aclose()
    assert stub.calls()[0].asked.auth == "none"


def test_offline_every_lane_has_the_offline_provider() -> None:
    providers = providers_for(Settings(), offline=True)
    assert providers.keys() == PROVIDERS.keys()
    assert all(isinstance(provider, OfflineProvider) for provider in providers.values())


async def test_the_environment_decides_keys_and_addresses(monkeypatch: pytest.MonkeyPatch, stub: StubServer) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", f"{CANARY_KEY}\n")
    monkeypatch.setenv("GEMINI_API_KEY", CANARY_KEY)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY_KEY)
    for name in ("ANTHROPIC", "GEMINI", "OPENAI"):
        monkeypatch.setenv(f"ELEXIRION_{name}_BASE_URL", stub.url)
    providers = providers_for(Settings(), offline=False)
    assert all(isinstance(provider, HttpProvider) for provider in providers.values())
    for lane, provider in providers.items():
        await outcome(provider, a_call(lane))
        await provider.aclose()
    assert [call.asked.provider for call in stub.calls()] == ["claude", "gemini", "openai"]
    assert [call.asked.auth for call in stub.calls()] == ["x-api-key", "x-goog-api-key", "bearer"]


async def test_a_lane_that_is_used_without_its_key_fails_with_auth(
    monkeypatch: pytest.MonkeyPatch, stub: StubServer
) -> None:
    monkeypatch.setenv("ELEXIRION_ANTHROPIC_BASE_URL", stub.url)
    monkeypatch.setenv("ELEXIRION_GEMINI_BASE_URL", stub.url)
    for lane in ("claude", "gemini"):
        provider = providers_for(Settings(), offline=False)[lane]
        with pytest.raises(Exception, match="auth"):
            await outcome(provider, a_call(lane))
