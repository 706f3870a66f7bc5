"""What a provider says in an error body.

Anthropic: `{"type": "error", "error": {"type", "message", "details": {"error_code"}}}`; Google: `{"error":
{"code", "status", "message", "details": [{"@type", "reason", "retryDelay"}]}}`, as a list of one without SSE;
chat completions: `{"error": {"type", "code", "message"}}`, which some servers shorten to `{"error": "message"}` or to
`{"object": "error", "message"}`. Shapes and codes are those of the official client packages anthropic 2.12
(`ErrorType`, `ErrorDetails`) and google-genai 3.4, of `google.rpc.Code`, and of OpenAI's guide to error codes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elexirion.events.failure import FailureKind

KIND_OF_NAME: dict[str, FailureKind] = {
    "invalid_request_error": "invalid_request",
    "not_found_error": "invalid_request",
    "conflict_error": "invalid_request",
    "memory_path_conflict_error": "invalid_request",
    "memory_precondition_failed_error": "invalid_request",
    "authentication_error": "auth",
    "permission_error": "auth",
    "billing_error": "budget",
    "rate_limit_error": "rate_limited",
    "timeout_error": "overloaded",
    "api_error": "overloaded",
    "overloaded_error": "overloaded",
    "INVALID_ARGUMENT": "invalid_request",
    "FAILED_PRECONDITION": "invalid_request",
    "OUT_OF_RANGE": "invalid_request",
    "ALREADY_EXISTS": "invalid_request",
    "NOT_FOUND": "invalid_request",
    "UNIMPLEMENTED": "invalid_request",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "ABORTED": "overloaded",
    "CANCELLED": "overloaded",
    "DEADLINE_EXCEEDED": "overloaded",
    "INTERNAL": "overloaded",
    "UNAVAILABLE": "overloaded",
    "UNKNOWN": "overloaded",
    "DATA_LOSS": "overloaded",
    "server_error": "overloaded",
    "service_unavailable_error": "overloaded",
    "server_is_overloaded": "overloaded",
    "slow_down": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "requests": "rate_limited",
    "tokens": "rate_limited",
    "insufficient_quota": "budget",
    "invalid_api_key": "auth",
}
_SPENT_CODES = frozenset(
    {
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "linked_organization_spend_limit_reached",
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
    }
)
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})
_SPENT = re.compile(r"credit balance is too low|credits are depleted|spend(ing)? limit|enable billing", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"prompt is too long|exceeds? (the )?(context|maximum number of tokens)|context (window|limit|length)",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(r"api key (not valid|not found|expired)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ProviderError:
    """An error as the provider words it: `name` is its type or status, `codes` are its finer codes."""

    name: str = ""
    message: str = ""
    codes: frozenset[str] = frozenset()
    retry_after_s: float | None = None
    request_id: str = ""

    def kind(self, by_status: FailureKind | None) -> FailureKind:
        """The kind by the error's codes and words, else by the status, else by the error's name."""
        kind = by_status or KIND_OF_NAME.get(self.name, "bad_response")
        if self.name == "billing_error" or self.codes & _SPENT_CODES or _SPENT.search(self.message):
            return "budget"
        if kind != "invalid_request":
            return kind
        if self.codes & _FILTER_CODES:
            return "content_filtered"
        if "API_KEY_INVALID" in self.codes or _BAD_KEY.search(self.message):
            return "auth"
        too_long = "context_length_exceeded" in self.codes or _TOO_LONG.search(self.message)
        return "context_length" if too_long else kind


def read_error(body: Any) -> ProviderError:
    """The error in a decoded body of any shape; an empty one if there is none."""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return ProviderError(message=error)
    if isinstance(body, dict) and body.get("object") == "error":
        error = body
    if not isinstance(error, dict):
        return ProviderError()
    details = [one for one in _listed(error.get("details")) if isinstance(one, dict)]
    return ProviderError(
        name=_text(error.get("type") or error.get("status")),
        message=_text(error.get("message")),
        codes=frozenset(_codes(error, details)),
        request_id=_text(body.get("request_id")) if isinstance(body, dict) else "",
        retry_after_s=next((s for one in details if (s := _seconds(one.get("retryDelay"))) is not None), None),
    )


def _codes(error: dict[str, Any], details: list[dict[str, Any]]) -> Iterator[str]:
    found = [one[key] for one in details for key in ("error_code", "reason") if key in one]
    return (code for code in (error.get("type"), error.get("code"), *found) if isinstance(code, str))


def _listed(details: Any) -> list[Any]:
    return details if isinstance(details, list) else [details]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _seconds(duration: Any) -> float | None:
    """Seconds of a protobuf duration in JSON, such as `37s` or `1.5s`."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", duration) if isinstance(duration, str) else None
    return float(match[1]) if match else None
