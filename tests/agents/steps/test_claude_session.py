"""A conversation: every prompt is said with all that was said before, and the session remembers it."""

from typing import Any

import pytest
from elexirion.agents.providers.port import ModelTurn, ProviderCall, UserTurn
from elexirion.events.step import StepCompleted

from tests.agents.steps.conversing import PRICE_USD, USAGE, failing, model, run, runner_of
from tests.agents.steps.running import plain

HISTORY = [{"user": "q1", "assistant": "a1"}, {"user": "q2", "assistant": "a2"}]


def _config(*said: str | tuple[str, str], **keys: Any) -> dict[str, Any]:
    prompts = [
        {"user": one, "assistant": None} if isinstance(one, str) else {"user": one[0], "assistant": one[1]}
        for one in said
    ]
    return {"session": "s", "persist": False, "turns": HISTORY, "most_turns": None, "prompts": prompts, **keys}


def _told(call: ProviderCall) -> list[str]:
    """The texts of a call, in order."""
    turns = [turn.text for turn in call.turns if isinstance(turn, UserTurn | ModelTurn)]
    return [*turns, call.prompt]


def _turns(completed: StepCompleted) -> Any:
    assert completed.turns is not None
    return plain(completed.turns)


async def test_a_prompt_is_said_with_the_history_and_becomes_part_of_it() -> None:
    provider = model("a3")
    ended = await run(runner_of("claude_session"), provider, _config("q3", system="Teach."))
    (call,) = provider.calls
    assert (_told(call), call.system) == (["q1", "a1", "q2", "a2", "q3"], "Teach.")
    assert ended.result == "a3"
    assert _turns(ended.completed) == [{"user": "q3", "assistant": "a3"}]


async def test_a_conversation_carries_each_answer_into_the_next_call() -> None:
    provider = model("b", "d")
    ended = await run(runner_of("claude_session"), provider, _config("a", "c"))
    assert [_told(call)[4:] for call in provider.calls] == [["a"], ["a", "b", "c"]]
    assert ended.result == "d"
    assert _turns(ended.completed) == [{"user": "a", "assistant": "b"}, {"user": "c", "assistant": "d"}]
    assert ended.text == "b\n\nd"


async def test_an_answer_that_was_given_already_is_not_asked_for() -> None:
    provider = model("d")
    ended = await run(runner_of("claude_session"), provider, _config(("a", "b"), "c"))
    assert [_told(call)[4:] for call in provider.calls] == [["a", "b", "c"]]
    assert _turns(ended.completed) == [{"user": "a", "assistant": "b"}, {"user": "c", "assistant": "d"}]


async def test_every_call_has_its_own_id_and_all_are_counted() -> None:
    provider = model("b", "d")
    ended = await run(runner_of("claude_session"), provider, _config("a", "c"))
    assert [call.call_id for call in provider.calls] == ["run-1/s#1/1", "run-1/s#1/2"]
    assert (ended.completed.usage, ended.completed.cost_usd) == (USAGE + USAGE, 2 * PRICE_USD)


async def test_an_unknown_price_makes_the_cost_unknown() -> None:
    provider = model("b", "d")
    provider.price_usd = None
    ended = await run(runner_of("claude_session"), provider, _config("a", "c"))
    assert ended.completed.cost_usd is None


async def test_no_more_than_the_last_turns_are_told_also_within_a_conversation() -> None:
    provider = model("b", "d")
    await run(runner_of("claude_session"), provider, _config("a", "c", most_turns=1))
    assert [_told(call) for call in provider.calls] == [["q2", "a2", "a"], ["a", "b", "c"]]


async def test_a_failure_on_the_way_fails_the_step_with_what_was_spent() -> None:
    provider = model("b", failing("overloaded", USAGE))
    ended = await run(runner_of("claude_session"), provider, _config("a", "c"))
    assert (ended.failed.failure.kind, ended.failed.usage) == ("overloaded", USAGE + USAGE)


async def test_an_empty_answer_leaves_no_turn() -> None:
    provider = model("", "d")
    ended = await run(runner_of("claude_session"), provider, _config("a", "c"))
    assert _told(provider.calls[1])[4:] == ["c"]
    assert _turns(ended.completed) == [{"user": "c", "assistant": "d"}]


async def test_only_the_last_answer_has_to_satisfy_a_schema() -> None:
    provider = model("b", '{"n": 1}')
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    ended = await run(runner_of("claude_session"), provider, _config("a", "c", output_schema=schema))
    assert [call.schema for call in provider.calls] == [None, schema]
    assert ended.result == {"n": 1}
    assert _turns(ended.completed)[1] == {"user": "c", "assistant": '{"n": 1}'}


@pytest.mark.parametrize("kind", ["claude", "claude_smart"])
async def test_a_step_without_a_session_adds_nothing_to_one(kind: str) -> None:
    ended = await run(runner_of(kind), model("hello"), {"prompt": "hi"})
    assert (ended.result, ended.completed.turns) == ("hello", None)
