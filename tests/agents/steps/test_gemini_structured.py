"""gemini_structured and gemini_instructor: data by a schema, or any object."""

import jsonschema
import pytest

from tests.agents.steps.asking_others import ended_as
from tests.agents.steps.running import says, script
from tests.stub.client import StubServer
from tests.stub.script import Answer

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


@pytest.mark.parametrize("step_type", ["gemini_structured", "gemini_instructor"])
async def test_the_result_is_the_data(stub: StubServer, step_type: str) -> None:
    ended = await ended_as(step_type, stub, {"output_schema": SCHEMA, "repair": True})
    jsonschema.validate(ended.result, SCHEMA)
    assert ended.completed.usage.output_tokens > 0


async def test_data_that_does_not_fit_is_asked_for_once_more(stub: StubServer) -> None:
    script(stub, says('{"score": "high"}'), says('{"score": 7}'))
    ended = await ended_as("gemini_structured", stub, {"output_schema": SCHEMA, "repair": True})
    assert ended.result == {"score": 7}
    (_, again) = stub.calls()
    assert [message["role"] for message in again.asked.messages] == ["user", "model", "user"]
    assert ended.completed.usage.input_tokens == 22


async def test_data_that_never_fits_fails_in_the_words_of_old(stub: StubServer) -> None:
    stub.answer(says('{"score": "the secret of the raven"}'))
    failed = (await ended_as("gemini_structured", stub, {"output_schema": SCHEMA, "repair": True})).failed
    assert failed.failure.kind == "schema_mismatch"
    assert failed.failure.message.startswith("Gemini structured output failed: ")
    assert "$.score" in failed.failure.message
    assert "raven" not in failed.failure.message
    assert failed.usage.input_tokens == 22


async def test_a_provider_that_fails_is_told_in_the_same_words(stub: StubServer) -> None:
    stub.answer(Answer(status=503))
    failed = (await ended_as("gemini_structured", stub, {"output_schema": SCHEMA})).failed
    assert failed.failure.kind == "overloaded"
    assert failed.failure.message.startswith("Gemini structured output failed: ")
    assert failed.failure.provider == "gemini"


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("[1, 2]", [1, 2]),
        ("all is well", {"content": "all is well"}),
        ("7", {"content": "7"}),
    ],
)
async def test_without_a_schema_any_object_will_do_and_text_is_content(
    stub: StubServer, said: str, result: object
) -> None:
    stub.answer(says(said))
    ended = await ended_as("gemini_instructor", stub, {"output_schema": None, "repair": True})
    assert ended.result == result
    assert len(stub.calls()) == 1


async def test_offline_the_data_fits_as_well() -> None:
    jsonschema.validate((await ended_as("gemini_structured", None, {"output_schema": SCHEMA})).result, SCHEMA)
    assert (await ended_as("gemini_instructor", None, {})).result == {}
