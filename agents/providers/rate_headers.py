"""What the headers of an answer say of the caller's rate limits.

Anthropic: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, the reset a time
of RFC 3339. OpenAI and servers like it: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, the reset a duration
such as `6m0s` or `120ms`; some write bare seconds, and -1 where there is no limit. Gemini sends no such headers.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_DURATION = re.compile(
    r"(?:(\d{1,6})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,12}(?:\.\d{1,9})?)ms)?"
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit as the provider sees it: `limit` and `remaining` in its unit per minute, `reset_s` seconds until full.

    None where the headers do not say readably. No number is negative.
    """

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits an answer told of; None for those it was silent about.

    `tokens` counts both directions, `input_tokens` and `output_tokens` one each: Anthropic limits them apart.
    """

    requests: Allowance | None = None
    tokens: Allowance | None = None
    input_tokens: Allowance | None = None
    output_tokens: Allowance | None = None


NO_RATE_LIMITS = RateLimits()


def rate_limits(headers: Mapping[str, str], now: datetime) -> RateLimits:
    """The limits in `headers` (names in lower case, or a mapping that ignores case); `now` is when they came, UTC."""
    return RateLimits(
        requests=_allowance(headers, "requests", now),
        tokens=_allowance(headers, "tokens", now),
        input_tokens=_allowance(headers, "input-tokens", now),
        output_tokens=_allowance(headers, "output-tokens", now),
    )


def _allowance(headers: Mapping[str, str], what: str, now: datetime) -> Allowance | None:
    told = [_said(headers, what, field) for field in ("limit", "remaining", "reset")]
    allowance = Allowance(_amount(told[0]), _amount(told[1]), _reset_s(told[2], now))
    return None if allowance == Allowance() else allowance


def _said(headers: Mapping[str, str], what: str, field: str) -> str:
    return headers.get(f"anthropic-ratelimit-{what}-{field}") or headers.get(f"x-ratelimit-{field}-{what}") or ""


def _amount(text: str) -> float | None:
    try:
        amount = float(text)
    except ValueError:
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None


def _reset_s(text: str, now: datetime) -> float | None:
    seconds = _amount(text)
    if seconds is not None:
        return seconds
    duration = _DURATION.fullmatch(text)
    if text and duration is not None:
        hours, minutes, seconds_, milliseconds = (float(part or 0) for part in duration.groups())
        return hours * 3600 + minutes * 60 + seconds_ + milliseconds / 1000
    return _until(text, now)


def _until(text: str, now: datetime) -> float | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
