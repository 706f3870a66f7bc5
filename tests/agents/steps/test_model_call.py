"""One question to a model: what goes out, what comes back, and who answers when the model cannot."""

import pytest
from elexirion.events.provider import ProviderRequested
from elexirion.events.step import FallbackUsed

from tests.agents.steps.running import ended, says, script
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedUsage

SONNET = {"model": "sonnet"}


async def test_a_step_without_tools_asks_once_and_streams_its_answer(stub: StubServer) -> None:
    script(stub, Answer(chunks=("Rivers ", "carve.")))
    end = await ended(stub, {"options": {"max_turns": 1, "allowed_tools": []}})
    assert (end.result, end.text, end.completed.stop_reason) == ("Rivers carve.", "Rivers carve.", "end_turn")
    (call,) = stub.calls()
    assert (call.asked.prompt, call.asked.functions, call.asked.call_id) == ("rivers", [], "run-1/s#1/1")
    assert end.completed.fallback is None


async def test_earlier_turns_go_before_the_prompt(stub: StubServer) -> None:
    turns = [{"user": "lakes", "assistant": "Lakes lie."}, {"user": "seas", "assistant": "Seas roar."}]
    await ended(stub, {"turns": turns})
    said = [(one["role"], one["content"][0]["text"]) for one in stub.calls()[0].asked.messages]
    assert said == [
        ("user", "lakes"), ("assistant", "Lakes lie."), ("user", "seas"), ("assistant", "Seas roar."),
        ("user", "rivers"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "result"),
    [('{"a": [1]}', {"a": [1]}), ('Here:\n```json\n{"a": 1}\n```', {"a": 1}), ("no JSON", "no JSON"), ("5", 5)],
)
async def test_the_format_json_gives_data_where_the_text_is_json(stub: StubServer, text: str, result: object) -> None:
    script(stub, says(text))
    end = await ended(stub, {"options": {"output_format": "json"}})
    assert end.result == result


async def test_text_that_is_json_stays_text_where_no_format_was_asked_for(stub: StubServer) -> None:
    script(stub, says('{"a": 1}'))
    assert (await ended(stub, {})).result == '{"a": 1}'


# The other model ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), [(529, "overloaded"), (429, "rate_limited"), (404, "invalid_request")])
async def test_another_model_answers_where_the_first_is_not_there(stub: StubServer, status: int, kind: str) -> None:
    script(stub, Answer(status=status), says("by another"))
    end = await ended(stub, {"model": "opus", "options": {"fallback_model": "haiku"}})
    assert (end.result, end.completed.fallback) == ("by another", "claude-haiku-5-5")
    assert [call.asked.model for call in stub.calls()] == ["claude-opus-5-5", "claude-haiku-5-5"]
    assert [call.asked.call_id for call in stub.calls()] == ["run-1/s#1/1", "run-1/s#1/2"]
    assert [(used.reason, used.used) for used in end.of(FallbackUsed)] == [(kind, "claude-haiku-5-5")]


async def test_another_model_is_asked_once_and_its_failure_is_the_step_s(stub: StubServer) -> None:
    stub.answer(Answer(status=529))
    end = await ended(stub, {"model": "opus", "options": {"fallback_model": "haiku"}})
    assert end.failed.failure.kind == "overloaded"
    assert len(stub.calls()) == len(end.of(ProviderRequested)) == 2


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (400, {"fallback_model": "haiku"}),
        (529, {"fallback_model": "opus"}),
        (529, {}),
        (401, {"fallback_model": "haiku"}),
    ],
)
async def test_no_other_model_is_asked_without_a_reason(stub: StubServer, status: int, options: dict[str, str]) -> None:
    stub.answer(Answer(status=status))
    end = await ended(stub, {"model": "opus", "options": options})
    assert end.failed.failure.status == status
    assert len(stub.calls()) == 1


async def test_a_cut_first_call_is_counted_when_another_model_answers(stub: StubServer) -> None:
    cut = Answer(chunks=("half",), error_after_chunk=1, usage=ScriptedUsage(input=100))
    script(stub, cut, says("whole", usage=ScriptedUsage(input=10, output=3)))
    end = await ended(stub, {"model": "opus", "options": {"fallback_model": "haiku"}})
    assert end.result == "whole"
    assert end.completed.usage.input_tokens == 110
    assert end.completed.cost_usd is None
