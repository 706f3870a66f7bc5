"""An answer by a schema: data that fits, one more question where it does not, and then a failure that says where."""

from typing import Any

import pytest
from elexirion.events.provider import ProviderRequested, ProviderResponded

from tests.agents.steps.running import asks, ended, says, script
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedUsage

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["rivers"],
    "properties": {"rivers": {"type": "array", "items": {"type": "object", "properties": {"km": {"type": "number"}}}}},
}
GOOD = '{"rivers": [{"km": 2850}]}'
WRONG = '{"rivers": [{"km": 1}, {"km": "secret"}]}'


async def test_an_answer_that_fits_is_data(stub: StubServer) -> None:
    script(stub, says(GOOD))
    end = await ended(stub, {"output_schema": SCHEMA})
    assert end.result == {"rivers": [{"km": 2850}]}
    assert len(stub.calls()) == 1


@pytest.mark.parametrize(
    ("wrong", "where"),
    [(WRONG, "$.rivers[1].km: type 'number'"), ("No idea.", "$: it is not JSON"), ("{}", "$: required")],
)
async def test_an_answer_that_does_not_fit_is_asked_for_once_more(stub: StubServer, wrong: str, where: str) -> None:
    usage = ScriptedUsage(input=100, output=10)
    script(stub, says(wrong, usage=usage), says(GOOD, usage=usage))
    end = await ended(stub, {"output_schema": SCHEMA})
    assert end.result == {"rivers": [{"km": 2850}]}
    assert (end.completed.usage.input_tokens, end.completed.usage.output_tokens) == (200, 20)
    assert end.completed.cost_usd == pytest.approx(sum(one.cost_usd for one in end.of(ProviderResponded)))
    first, second = (call.asked for call in stub.calls())
    assert second.messages[0] == first.messages[0]
    assert second.messages[1]["content"][0]["text"] == wrong
    assert where in second.messages[2]["content"][0]["text"]
    assert (first.call_id, second.call_id) == ("run-1/s#1/1", "run-1/s#1/2")
    assert len(end.of(ProviderRequested)) == 2


async def test_an_answer_that_never_fits_fails_with_the_place_and_not_the_content(stub: StubServer) -> None:
    stub.answer(says(WRONG, usage=ScriptedUsage(input=100, output=10)))
    failed = (await ended(stub, {"output_schema": SCHEMA, "error_prefix": "Structured output failed: "})).failed
    assert failed.failure.kind == "schema_mismatch"
    assert failed.failure.message == (
        "Structured output failed: the answer does not fit output_schema: at $.rivers[1].km: type 'number'"
    )
    assert failed.usage.input_tokens == 200
    assert failed.cost_usd
    assert len(stub.calls()) == 2


async def test_without_repair_the_first_wrong_answer_is_the_failure(stub: StubServer) -> None:
    stub.answer(says(WRONG))
    end = await ended(stub, {"output_schema": SCHEMA, "repair": False})
    assert (end.failed.failure.kind, len(stub.calls())) == ("schema_mismatch", 1)


async def test_a_failed_call_is_not_repaired_and_a_failed_repair_is_the_failure(stub: StubServer) -> None:
    script(stub, Answer(status=529))
    assert (await ended(stub, {"output_schema": SCHEMA})).failed.failure.kind == "overloaded"
    assert len(stub.calls()) == 1
    stub.reset()
    script(stub, says(WRONG, usage=ScriptedUsage(input=100)), Answer(status=529))
    failed = (await ended(stub, {"output_schema": SCHEMA})).failed
    assert (failed.failure.kind, failed.usage.input_tokens) == ("overloaded", 100)


@pytest.mark.parametrize(
    "schema", [{"type": "wrong"}, {"$ref": "http://127.0.0.1:1/other.json"}, {"$ref": "#/nowhere"}, {"$ref": "#"}]
)
async def test_a_schema_that_is_none_is_said_to_be_none(stub: StubServer, schema: dict[str, Any]) -> None:
    stub.answer(says("{}"))
    failed = (await ended(stub, {"output_schema": schema})).failed
    assert failed.failure.kind == "invalid_request"
    assert "output_schema is not a JSON Schema" in failed.failure.message
    assert len(stub.calls()) <= 1


async def test_prose_does_not_pass_for_null(stub: StubServer) -> None:
    stub.answer(says("prose"))
    assert (await ended(stub, {"output_schema": {"type": ["object", "null"]}})).failed.failure.kind == "schema_mismatch"
    stub.reset()
    stub.answer(says("null"))
    assert (await ended(stub, {"output_schema": {"type": ["object", "null"]}})).result is None


async def test_an_answer_after_tools_is_repaired_with_all_that_was_said(stub: StubServer, tmp_path: Any) -> None:
    script(stub, asks(("LS", {})), says(WRONG), says(GOOD))
    options = {"allowed_tools": ["LS"]}
    end = await ended(stub, {"output_schema": SCHEMA, "options": options, "workspace": {"base": str(tmp_path)}})
    assert end.result == {"rivers": [{"km": 2850}]}
    assert [one["role"] for one in stub.calls()[2].asked.messages] == [
        "user", "assistant", "user", "assistant", "user"
    ]  # fmt: skip
