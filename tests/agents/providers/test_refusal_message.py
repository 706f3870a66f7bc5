"""A failure's message says what the provider meant, in the words of its API, and nothing of what it was asked."""

import re

import pytest
from elexirion.agents.providers.api_words import identifier, told
from elexirion.agents.providers.error_body import read_error
from elexirion.agents.providers.failures import RefusalError, failure_of
from elexirion.agents.providers.refusal_message import Privacy
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.providers.calling import CANARY_KEY, a_call, a_provider, failure
from tests.stub.client import StubServer
from tests.stub.script import Answer

PRIVATE = Privacy((CANARY_KEY, "The raven's plan: 4711, at Öland"), ("claude-opus-5-5",))


def message(status: int, error: object, request_id: str = "") -> str:
    body = read_error({"error": error})
    return failure_of(RefusalError(status, body, None, request_id), "claude", PRIVATE).message


@pytest.mark.parametrize(
    "said",
    [
        "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-opus-5-5",
        "prompt is too long: 208310 tokens > 200000 maximum",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans",
        "messages.1: tool_use ids were found without tool_result blocks after them",
        "API key not valid. Please pass a valid API key.",
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        "invalid x-api-key",
        "model: claude-opus-5-5 not found",
        "You exceeded your current quota, please check your plan and billing details.",
        "tools.0.input_schema: Field required",
    ],
)
def test_what_providers_say_of_a_request_is_told_nearly_whole(said: str) -> None:
    shown = told(said, PRIVATE.hidden, PRIVATE.names)
    assert shown.count("…") <= 1
    assert len(shown) > len(said) * 0.85


@pytest.mark.parametrize(
    "quoted",
    [
        "The raven's plan: 4711, at Öland",
        "raven",
        "RAVEN",
        "rav",
        "nevar",
        "4711",
        "Öland",
        "\\u00d6land",
        "cmF2ZW4=",
        "%C3%96land",
        CANARY_KEY,
        "sk-canary-0123",
        "0123456789abcdef",
    ],
)
def test_nothing_of_prompt_and_key_is_told_whole_in_part_or_in_another_spelling(quoted: str) -> None:
    shown = told(f"invalid value {quoted!r} in messages.0", PRIVATE.hidden, PRIVATE.names)
    for part in re.findall(r"\w{3,}", quoted):
        assert part not in shown.replace("invalid value", "").replace("messages", "")
    assert shown.startswith("invalid value")
    assert "…" in shown


@given(st.text(max_size=200), st.text(min_size=5, max_size=20).filter(lambda text: bool(re.search(r"\w", text))))
def test_a_word_that_no_api_uses_is_never_told(around: str, secret: str) -> None:
    word = f"canary{secret}"
    shown = told(f"{around} {word} {around}", (), ())
    assert "canary" not in shown


def test_a_message_names_type_codes_request_and_meaning() -> None:
    error = {"type": "invalid_request_error", "code": "model_not_found", "message": "The model raven was not found"}
    assert message(404, error, "req_011CS") == (
        "claude answered with status 404, invalid_request_error, model_not_found, request req_011CS: "
        'the provider does not take this request ("The model … was not found")'
    )


@pytest.mark.parametrize("name", ["the raven", "raven", "x" * 61, "a\nb", "", "{}"])
def test_what_is_no_name_of_an_error_is_not_told_as_one(name: str) -> None:
    assert identifier(name, PRIVATE.hidden) == ""


def test_an_error_type_of_tomorrow_is_told() -> None:
    assert "quantum_error" in message(400, {"type": "quantum_error", "message": ""})


def test_a_redirect_is_explained() -> None:
    assert "a redirect, which is not followed" in message(307, {})


@pytest.mark.parametrize(("name", "header"), [("claude", "request-id"), ("openai", "x-request-id")])
async def test_a_failure_names_the_request_for_the_provider_s_console(stub: StubServer, name: str, header: str) -> None:
    stub.answer(Answer(status=500, headers={header: "req-7"}))
    provider = a_provider(name, stub)
    assert "request req-7" in str(await failure(provider, a_call(name)))
    await provider.aclose()
