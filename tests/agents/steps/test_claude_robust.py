"""A robust step: the engine repeats it, and only where it will not, something stands in for the answer."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from elexirion.agents.providers.port import ProviderCall, ProviderOutput
from elexirion.agents.steps.claude_robust import LONGEST_SIMPLIFIED, Answers, simplified
from elexirion.agents.steps.port import Outcome
from elexirion.events.failure import FailureKind
from elexirion.events.step import FallbackUsed

from tests.agents.steps.conversing import PRICE_USD, USAGE, Model, failing, model, run, runner_of

LAST = 2
ACTIONS = ("graceful_degradation", "cached_response", "simplified_prompt", "emergency_response")


def _config(action: str | None, retry_on: tuple[str, ...] = (), **keys: Any) -> dict[str, Any]:
    retry = {"max_attempts": LAST, "retry_on": list(retry_on)}
    return {"prompt": "What is the capital?", "fallback_action": action, "retry": retry, **keys}


def _marks(ended: Any) -> list[tuple[str, str]]:
    return [(event.reason, event.used) for event in ended.of(FallbackUsed)]


@pytest.mark.parametrize("action", [None, *ACTIONS])
async def test_an_answer_is_the_result_and_nothing_is_marked(action: str | None) -> None:
    ended = await run(runner_of("claude_robust"), model("Paris"), _config(action), attempt=LAST)
    assert (ended.result, ended.completed.fallback, _marks(ended)) == ("Paris", None, [])


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_failure_that_is_repeated_stays_a_failure(action: str) -> None:
    provider = model(failing())
    ended = await run(runner_of("claude_robust"), provider, _config(action), attempt=LAST - 1)
    assert (ended.failed.failure.kind, len(provider.calls)) == ("overloaded", 1)


async def test_without_an_action_the_last_failure_stays_one() -> None:
    ended = await run(runner_of("claude_robust"), model(failing()), _config(None), attempt=LAST)
    assert ended.failed.failure.kind == "overloaded"


@pytest.mark.parametrize(
    ("action", "says"), [("graceful_degradation", "stands in for it"), ("emergency_response", "Emergency response")]
)
async def test_a_prepared_answer_says_what_it_is_and_is_marked(action: str, says: str) -> None:
    provider = model(failing("overloaded", USAGE))
    ended = await run(runner_of("claude_robust"), provider, _config(action), attempt=LAST)
    assert says in ended.result and "overloaded" in ended.result
    assert (ended.completed.fallback, ended.completed.usage) == (action, USAGE)
    assert _marks(ended) == [("overloaded: it was overloaded", action)]
    assert ended.text.strip() == ended.result


@pytest.mark.parametrize(("kind", "retry_on"), [("auth", ()), ("overloaded", ("timeout",))])
async def test_a_failure_that_nobody_repeats_falls_back_at_once(kind: FailureKind, retry_on: tuple[str, ...]) -> None:
    config = _config("graceful_degradation", retry_on)
    ended = await run(runner_of("claude_robust"), model(failing(kind)), config, attempt=1)
    assert ended.completed.fallback == "graceful_degradation"


@pytest.mark.parametrize("kind", ["cancelled", "budget", "poison", "internal"])
async def test_nothing_stands_in_for_failures_that_are_not_the_models(kind: FailureKind) -> None:
    ended = await run(runner_of("claude_robust"), model(failing(kind)), _config(ACTIONS[0]), attempt=LAST)
    assert ended.failed.failure.kind == kind


async def test_a_simplified_prompt_is_asked_once_more_under_its_own_call_id() -> None:
    provider = model(failing("overloaded", USAGE), "Paris")
    config = _config("simplified_prompt", options={"allowed_tools": ["Read"], "max_turns": 9, "effort": "low"})
    ended = await run(runner_of("claude_robust"), provider, config, attempt=LAST)
    first, second = provider.calls
    assert first.call_id != second.call_id
    assert "capital" in second.prompt and "briefly" in second.prompt and second.functions == ()
    assert (ended.result, ended.completed.fallback) == ("Paris", "simplified_prompt")
    assert ended.completed.usage == USAGE + USAGE
    assert _marks(ended) == [("overloaded: it was overloaded", "simplified_prompt")]


async def test_a_simplified_prompt_that_fails_too_fails_the_step_with_all_that_was_spent() -> None:
    provider = model(failing("overloaded", USAGE), failing("bad_response", USAGE))
    ended = await run(runner_of("claude_robust"), provider, _config("simplified_prompt"), attempt=LAST)
    assert (ended.failed.failure.kind, ended.failed.usage) == ("bad_response", USAGE + USAGE)


def test_a_long_prompt_keeps_its_beginning_and_its_end() -> None:
    text = simplified({"prompt": "begin " + "x " * 50_000 + "end"})["prompt"]
    assert "begin" in text and text.endswith("end")
    assert len(text) < LONGEST_SIMPLIFIED + 100


async def test_the_last_answer_to_the_same_request_stands_in() -> None:
    runner = runner_of("claude_robust")
    await run(runner, model("Paris"), _config("cached_response"))
    ended = await run(runner, model(failing("overloaded", USAGE)), _config("cached_response"), attempt=LAST)
    assert (ended.result, ended.completed.fallback) == ("Paris", "cached_response")
    assert (ended.completed.usage, ended.text.strip()) == (USAGE, "Paris")
    assert _marks(ended) == [("overloaded: it was overloaded", "cached_response")]


@pytest.mark.parametrize("other", [{"prompt": "another"}, {"model": "haiku"}, {"options": {"temperature": 1.0}}])
async def test_the_answer_to_another_request_does_not_stand_in(other: dict[str, Any]) -> None:
    runner = runner_of("claude_robust")
    await run(runner, model("Paris"), _config("cached_response", **other))
    ended = await run(runner, model(failing()), _config("cached_response"), attempt=LAST)
    assert ended.completed.fallback == "graceful_degradation"
    assert _marks(ended)[0][1] == "graceful_degradation"


async def test_what_stood_in_is_not_remembered_as_an_answer() -> None:
    runner = runner_of("claude_robust")
    for _ in range(2):
        ended = await run(runner, model(failing()), _config("cached_response"), attempt=LAST)
        assert ended.completed.fallback == "graceful_degradation"


def test_the_oldest_answer_is_forgotten_first_and_long_ones_are_not_kept() -> None:
    answers = Answers(most=2)
    for name in ("a", "b", "a", "c"):
        answers.remember(name, Outcome(name))
    answers.remember("d", Outcome("x" * 100_001))
    assert [name for name in "abcd" if answers.of(name)] == ["a", "c"]


async def test_a_prepared_text_is_no_data() -> None:
    schema = {"type": "object"}
    config = _config("graceful_degradation", output_schema=schema)
    ended = await run(runner_of("claude_robust"), model(failing("auth")), config)
    assert ended.failed.failure.kind == "auth"


class Silent(Model):
    """Answers nothing until it is given up; only a simplified prompt is answered."""

    async def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        if "briefly" not in call.prompt:
            await asyncio.get_running_loop().create_future()
        async for output in super().execute(call):
            yield output


@pytest.mark.parametrize(("action", "result"), [("simplified_prompt", "Paris"), ("emergency_response", "Emergency")])
async def test_an_answer_that_does_not_come_leaves_time_for_a_fallback(action: str, result: str) -> None:
    ended = await run(runner_of("claude_robust"), Silent(["Paris"]), _config(action), attempt=LAST, timeout_s=0.5)
    assert str(ended.result).startswith(result)
    assert _marks(ended)[0][0].startswith("timeout_total")


async def test_a_fallback_is_paid_for_only_by_what_failed() -> None:
    runner = runner_of("claude_robust")
    answered = await run(runner, model("Paris"), _config("cached_response"))
    assert answered.completed.cost_usd == PRICE_USD
    ended = await run(runner, model(failing()), _config("cached_response"), attempt=LAST)
    assert ended.completed.cost_usd == 0
