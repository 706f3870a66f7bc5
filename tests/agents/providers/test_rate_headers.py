"""What the headers of an answer say of rate limits, at every provider, of good and of failed calls."""

from datetime import UTC, datetime

import pytest
from elexirion.agents.providers.rate_headers import NO_RATE_LIMITS, Allowance, RateLimits, rate_limits
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.providers.calling import a_call, a_provider, failure, outcome
from tests.stub.client import StubServer
from tests.stub.script import Answer

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": "2026-11-26T12:00:30Z",
    "anthropic-ratelimit-input-tokens-limit": "80000",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-output-tokens-reset": "2026-11-26T11:59:00Z",
}
OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "-1",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-tokens": "6m0s",
}


def test_the_headers_of_anthropic_tell_requests_and_tokens_of_each_direction() -> None:
    assert rate_limits(ANTHROPIC, NOW) == RateLimits(
        requests=Allowance(1000, 999, 30), input_tokens=Allowance(80000, 0), output_tokens=Allowance(reset_s=0)
    )


def test_the_headers_of_openai_tell_durations_and_no_limit_as_minus_one() -> None:
    assert rate_limits(OPENAI, NOW) == RateLimits(
        requests=Allowance(5000, 4999, 0.012), tokens=Allowance(None, 159976, 360)
    )


def test_where_no_header_speaks_nothing_is_known() -> None:
    assert rate_limits({}, NOW) == NO_RATE_LIMITS


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h2m3s", 3723), ("1s", 1), ("1.5s", 1.5), ("7", 7), ("1m", 60), ("soon", None), ("", None)]
)
def test_a_reset_is_read_in_each_form(text: str, seconds: float | None) -> None:
    told = rate_limits({"x-ratelimit-limit-requests": "1", "x-ratelimit-reset-requests": text}, NOW).requests
    assert told == Allowance(limit=1, reset_s=seconds)


@given(st.text(), st.text(), st.text())
def test_no_header_breaks_the_reading(limit: str, remaining: str, reset: str) -> None:
    values = zip(OPENAI, (limit, remaining, reset), strict=False)
    told = rate_limits(dict(values), NOW).requests or Allowance()
    assert all(number is None or number >= 0 for number in (told.limit, told.remaining, told.reset_s))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("name", "headers"), [("claude", ANTHROPIC), ("openai", OPENAI), ("gemini", {})])
async def test_results_and_failures_carry_what_the_headers_said(
    stub: StubServer, name: str, headers: dict[str, str], stream: bool
) -> None:
    provider = a_provider(name, stub)
    stub.answer(Answer(chunks=("a",), headers=headers))
    _, result = await outcome(provider, a_call(name, stream=stream))
    stub.reset()
    stub.answer(Answer(status=429, headers=headers))
    failed = await failure(provider, a_call(name, stream=stream))
    expected = rate_limits(headers, NOW).requests
    for told in (result.rate_limits.requests, failed.rate_limits.requests):
        assert (told and (told.limit, told.remaining)) == (expected and (expected.limit, expected.remaining))
    await provider.aclose()
