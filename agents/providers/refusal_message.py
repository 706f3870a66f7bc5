"""What people read of a refusal: our own sentence for its kind, and of the provider's words what may be told.

For a look at the provider's own console the message names the type, the codes and the id of the request.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from elexirion.agents.providers.api_words import identifier, told
from elexirion.agents.providers.error_body import ProviderError
from elexirion.events.failure import FailureKind

_MESSAGE_LIMIT = 300
_MEANINGS: Mapping[FailureKind, str] = {
    "rate_limited": "too many requests or tokens for this key",
    "overloaded": "the provider is overloaded or has failed",
    "timeout_total": "the provider gave up waiting",
    "auth": "the key is missing or wrong, or may not use this",
    "budget": "the account's credit or spend limit is used up",
    "invalid_request": "the provider does not take this request",
    "context_length": "the prompt is longer than the model takes",
    "content_filtered": "a filter of the provider stopped it",
    "bad_response": "the provider's answer means nothing to this version",
}


@dataclass(frozen=True, slots=True)
class Privacy:
    """What of a call no message may say, `hidden` (keys, prompts), and what it may, `names` (the model)."""

    hidden: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


OPEN = Privacy()


def refusal_message(
    provider: str, status: int, error: ProviderError, kind: FailureKind, request_id: str, privacy: Privacy
) -> str:
    """One sentence for people, without anything that `privacy` hides."""
    where = f"answered with status {status}" if status != 200 else "sent an error in its stream"
    if 300 <= status < 400:
        where += " (a redirect, which is not followed; check the provider's base URL)"
    named = ", ".join(_names(error, privacy.hidden))
    asked = f", request {found}" if (found := identifier(request_id, privacy.hidden)) else ""
    said = told(error.message, privacy.hidden, privacy.names)[:_MESSAGE_LIMIT]
    meaning = _MEANINGS.get(kind, "it is no answer")
    return f"{provider} {where}{f', {named}' if named else ''}{asked}: {meaning}" + (f' ("{said}")' if said else "")


def _names(error: ProviderError, hidden: Iterable[str]) -> list[str]:
    """The type of the error and its finer codes, each once."""
    found = (identifier(name, hidden) for name in (error.name, *sorted(error.codes)))
    return list(dict.fromkeys(name for name in found if name))
