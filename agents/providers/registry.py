"""Which provider serves which lane: one line a provider."""

from collections.abc import Callable
from dataclasses import dataclass

from elexirion.agents.providers.anthropic import AnthropicProvider
from elexirion.agents.providers.gemini import GeminiProvider
from elexirion.agents.providers.offline import OfflineProvider
from elexirion.agents.providers.port import Provider
from elexirion.agents.providers.prices import load_prices
from elexirion.agents.settings import Settings
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """How to make a lane's provider, and the environment variable and setting that hold its key."""

    make: Callable[[Settings], Provider]
    key_variable: str
    key: Callable[[Settings], SecretStr | None]


def _claude(settings: Settings) -> Provider:
    key, prices = _key(settings.anthropic_api_key), load_prices(settings.prices_file)
    return AnthropicProvider(key, settings.anthropic_base_url, prices, connections=settings.claude_slots)


def _gemini(settings: Settings) -> Provider:
    key, prices = _key(settings.gemini_api_key), load_prices(settings.prices_file)
    return GeminiProvider(key, settings.gemini_base_url, prices, connections=settings.gemini_slots)


PROVIDERS: dict[str, ProviderEntry] = {
    "claude": ProviderEntry(_claude, "ANTHROPIC_API_KEY", lambda settings: settings.anthropic_api_key),
    "gemini": ProviderEntry(_gemini, "GEMINI_API_KEY", lambda settings: settings.gemini_api_key),
}


def providers_for(settings: Settings, offline: bool) -> dict[str, Provider]:
    """A provider for each lane that has one; with `offline` each is the offline provider.

    A lane without its key gets a provider too, whose calls fail with `auth`: `missing_key` tells before the run.
    Raises PriceFileError if the setting `prices_file` names no price table.
    """
    if offline:
        return {lane: OfflineProvider(settings.offline_tokens_per_s) for lane in PROVIDERS}
    return {lane: entry.make(settings) for lane, entry in PROVIDERS.items()}


def missing_key(lane: str, settings: Settings) -> str | None:
    """The environment variable that has to be set before `lane` can be used; None if nothing is missing."""
    entry = PROVIDERS.get(lane)
    return entry.key_variable if entry is not None and not _key(entry.key(settings)) else None


def _key(secret: SecretStr | None) -> str:
    return secret.get_secret_value().strip() if secret is not None else ""
