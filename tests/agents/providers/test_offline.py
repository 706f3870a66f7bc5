"""The provider of `--offline`."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from elexirion.agents.providers.offline import OfflineProvider, answer
from elexirion.agents.providers.port import FunctionCall, FunctionResult, FunctionTurn, ModelTurn, UserTurn
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.agents.providers.calling import a_call, failure, outcome

_PROMPT = "Explain how rivers carve valleys and why glaciers carve deeper"


@pytest.fixture
async def fast() -> AsyncIterator[OfflineProvider]:
    yield OfflineProvider(tokens_per_s=100_000)


async def test_the_same_call_gives_the_same_answer_also_on_another_attempt(fast: OfflineProvider) -> None:
    call = a_call("offline", _PROMPT)
    again = type(call)(call_id="run-1/step#2/1", model=call.model, prompt=call.prompt)
    assert (await outcome(fast, call)) == (await outcome(fast, again))


@given(st.text(min_size=1), st.text(min_size=1))
def test_another_prompt_gives_another_answer(one: str, other: str) -> None:
    assume(one != other)
    assert answer(a_call("offline", one)).text != answer(a_call("offline", other)).text


def test_system_prompt_and_model_also_change_the_answer() -> None:
    texts = {
        answer(a_call("offline", _PROMPT)).text,
        answer(a_call("offline", _PROMPT, system="be brief")).text,
        answer(type(a_call("offline"))(call_id="1", model="other", prompt=_PROMPT)).text,
    }
    assert len(texts) == 3


def test_the_answer_speaks_of_what_was_asked() -> None:
    said = set(re.findall(r"\w+", answer(a_call("offline", _PROMPT)).text.lower()))
    assert len(said & {"rivers", "carve", "valleys", "glaciers", "deeper"}) >= 2


def test_a_token_limit_is_kept_and_told() -> None:
    result = answer(a_call("offline", _PROMPT, max_tokens=5))
    assert (result.usage.output_tokens, result.stop_reason) == (5, "max_tokens")


async def test_it_costs_nothing_and_counts_words(fast: OfflineProvider) -> None:
    _, result = await outcome(fast, a_call("offline", "three short words", system="and two"))
    assert result.cost_usd == 0.0
    assert result.usage.input_tokens == 5
    assert result.usage.output_tokens == len(result.text.split())


async def test_words_come_at_the_rate_that_was_set() -> None:
    call = a_call("offline", _PROMPT)
    words = answer(call).usage.output_tokens
    clock = asyncio.get_running_loop()
    started = clock.time()
    texts, _ = await outcome(OfflineProvider(tokens_per_s=words / 0.2), call)
    assert len(texts) == words
    assert clock.time() - started >= 0.19


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_slower_than_its_timeout_fails_like_a_real_one(stream: bool) -> None:
    failed = await failure(OfflineProvider(tokens_per_s=1), a_call("offline", timeout_s=0.05, stream=stream))
    assert failed.failure.kind == "timeout_total"


async def test_a_schema_without_any_value_is_a_failure_and_no_crash(fast: OfflineProvider) -> None:
    schema = {"type": "integer", "minimum": 5, "maximum": 4}
    assert (await failure(fast, a_call("offline", schema=schema))).failure.kind == "invalid_request"


TOOL = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}}


def test_functions_are_called_only_where_the_step_wants_it() -> None:
    assert answer(a_call("offline", _PROMPT, functions=(TOOL,))).function_calls == ()
    for wish in ("expected", "required"):
        (called,) = answer(a_call("offline", functions=(TOOL,), options={"function_use": wish})).function_calls
        assert (called.name, called.id, list(called.arguments)) == ("look", "call_1", ["at"])


def test_once_a_function_has_answered_it_is_not_called_again() -> None:
    results = FunctionTurn((FunctionResult("call_1", "look", "Öland is an island"),))
    turns = (UserTurn(_PROMPT), ModelTurn("", (FunctionCall("look", {"at": "x"}, "call_1"),)), results)
    call = a_call("offline", "", functions=(TOOL,), options={"function_use": "required"}, turns=turns)
    told = answer(call)
    assert told.function_calls == ()
    assert told.text
    assert told.text != answer(replace(call, turns=turns[:1])).text
    assert told.usage.input_tokens == len(_PROMPT.split()) + 4
