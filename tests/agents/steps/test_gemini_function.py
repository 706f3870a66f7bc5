"""gemini_function: the call of the model, and what registered functions answer."""

from typing import Any

import pytest
from elexirion.agents.functions import FunctionsError
from elexirion.agents.settings import Settings
from elexirion.agents.steps.registry import RUNNERS
from elexirion.events.step import ToolCalled, ToolReturned

from tests.agents.steps.asking_others import ended_as
from tests.agents.steps.running import asks, plain, says
from tests.stub.client import StubServer

DECLARED: list[dict[str, Any]] = [
    {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
    {"name": "explode"},
    {"name": "nobody"},
]
CONFIG: dict[str, Any] = {"functions": DECLARED, "options": {"function_use": "required"}}
REGISTERED = ",".join(f"tests.agents.callables:{name}" for name in ("look_up", "explode", "weather"))


async def test_a_registered_function_answers_and_both_are_events(stub: StubServer) -> None:
    stub.answer(asks(("look_up", {"query": "Öland"}), text="let me see"))
    ended = await ended_as("gemini_function", stub, CONFIG, functions=REGISTERED)
    found = {"found": "Öland", "n": 1, "in_main_thread": False}
    assert ended.result == {
        "text": "let me see",
        "function_calls": [{"name": "look_up", "arguments": {"query": "Öland"}, "result": found}],
        "query": "Öland",
    }
    (called,) = ended.of(ToolCalled)
    (returned,) = ended.of(ToolReturned)
    assert (called.tool, called.arguments) == ("look_up", {"query": "Öland"})
    assert (plain(returned.result), returned.is_error) == (found, False)
    assert called.call_id == returned.call_id
    types = ended.broker.types()
    assert types.index("ToolCalled") < types.index("ToolReturned") < types.index("StepCompleted")


async def test_a_call_that_no_function_answers_is_the_result(stub: StubServer) -> None:
    stub.answer(asks(("nobody", {"a": 1})))
    ended = await ended_as("gemini_function", stub, CONFIG, functions=REGISTERED)
    assert ended.result == {"text": "", "function_calls": [{"name": "nobody", "arguments": {"a": 1}}], "a": 1}
    assert len(ended.of(ToolCalled)) == 1
    assert ended.of(ToolReturned) == []


async def test_only_declared_functions_answer(stub: StubServer) -> None:
    stub.answer(asks(("weather", {"place": "x"})))
    ended = await ended_as("gemini_function", stub, CONFIG, functions=REGISTERED)
    assert ended.result["function_calls"] == [{"name": "weather", "arguments": {"place": "x"}}]


async def test_wrong_arguments_and_exceptions_are_errors_of_their_call_alone(stub: StubServer) -> None:
    stub.answer(asks(("look_up", {"query": 7}), ("explode", {}), ("look_up", {"query": "x"})))
    ended = await ended_as("gemini_function", stub, CONFIG, functions=REGISTERED)
    first, second, third = ended.result["function_calls"]
    assert "do not fit" in first["error"]
    assert second["error"] == "the function raised RuntimeError"
    assert third["result"]["found"] == "x"
    assert [returned.is_error for returned in ended.of(ToolReturned)] == [True, True, False]
    assert len({called.call_id for called in ended.of(ToolCalled)}) == 3


async def test_a_model_that_calls_nothing_gives_its_text(stub: StubServer) -> None:
    stub.answer(says("I would rather not"))
    ended = await ended_as("gemini_function", stub, CONFIG)
    assert ended.result == {"text": "I would rather not", "function_calls": []}


async def test_offline_a_function_is_called_all_the_same() -> None:
    config = {**CONFIG, "functions": DECLARED[:1]}
    ended = await ended_as("gemini_function", None, config, functions=REGISTERED)
    (call,) = ended.result["function_calls"]
    assert call["result"]["found"] == call["arguments"]["query"] == ended.result["query"]


def test_a_setting_that_leads_to_no_function_ends_the_worker_at_its_start() -> None:
    with pytest.raises(FunctionsError):
        RUNNERS["gemini_function"](Settings(functions="no_such_module:f"))
