"""Which provider serves which lane: one line a provider."""

from collections.abc import Callable
from dataclasses import dataclass

from elexirion.agents.providers.anthropic import AnthropicWire
from elexirion.agents.providers.gemini import GeminiWire
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.offline import OfflineProvider
from elexirion.agents.providers.openai import OpenAIWire, is_openai
from elexirion.agents.providers.port import Provider
from elexirion.agents.providers.prices import load_prices
from elexirion.agents.providers.wire_format import Probe, WireFormat
from elexirion.agents.settings import Settings
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """A lane's wire format, made of the settings and the key, and where that key stands.

    `needs_key` says whether calls are refused without one.
    """

    wire: Callable[[Settings, str], WireFormat]
    key_variable: str
    key: Callable[[Settings], SecretStr | None]
    needs_key: Callable[[Settings], bool] = lambda settings: True


PROVIDERS: dict[str, ProviderEntry] = {
    "claude": ProviderEntry(
        lambda s, key: AnthropicWire(key, s.anthropic_base_url), "ANTHROPIC_API_KEY", lambda s: s.anthropic_api_key
    ),
    "gemini": ProviderEntry(
        lambda s, key: GeminiWire(key, s.gemini_base_url), "GEMINI_API_KEY", lambda s: s.gemini_api_key
    ),
    "openai": ProviderEntry(
        lambda s, key: OpenAIWire(key, s.openai_base_url), "OPENAI_API_KEY", lambda s: s.openai_api_key,
        needs_key=lambda s: is_openai(s.openai_base_url),
    ),
}  # fmt: skip


def providers_for(settings: Settings, offline: bool) -> dict[str, Provider]:
    """A provider for each lane that has one; with `offline` each is the offline provider.

    A lane without its key gets a provider too, whose calls fail with `auth`: `missing_key` tells before the run.
    Raises PriceFileError if the setting `prices_file` names no price table.
    """
    if offline:
        return {lane: OfflineProvider(settings.offline_tokens_per_s) for lane in PROVIDERS}
    prices = load_prices(settings.prices_file)
    return {
        lane: HttpProvider(entry.wire(settings, _key(entry.key(settings))), prices, connections=settings.slots(lane))
        for lane, entry in PROVIDERS.items()
    }


def probe_of(lane: str, settings: Settings) -> Probe:
    """The request that tells whether the provider of `lane` answers and takes the key; raises KeyError for others."""
    entry = PROVIDERS[lane]
    return entry.wire(settings, _key(entry.key(settings))).probe()


def missing_key(lane: str, settings: Settings) -> str | None:
    """The environment variable that has to be set before `lane` can be used; None if nothing is missing.

    An OpenAI-compatible server of one's own may do without a key; only OpenAI's own address needs one for sure.
    """
    entry = PROVIDERS.get(lane)
    if entry is None or _key(entry.key(settings)) or not entry.needs_key(settings):
        return None
    return entry.key_variable


def _key(secret: SecretStr | None) -> str:
    return secret.get_secret_value().strip() if secret is not None else ""
