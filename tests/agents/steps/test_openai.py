"""openai: a question to an OpenAI-compatible API."""

from elexirion.agents.settings import Settings

from tests.agents.steps.asking_others import ended_as
from tests.agents.steps.running import says, script
from tests.stub.client import StubServer


async def test_the_result_is_the_text_and_what_it_cost(stub: StubServer) -> None:
    ended = await ended_as("openai", stub, {"system": "be brief", "options": {"max_tokens": 9, "seed": 1}})
    assert ended.result == "You said: rivers "
    assert ended.text == ended.result
    assert ended.completed.model == "model-at-home"
    assert ended.completed.cost_usd is not None
    (call,) = stub.calls()
    assert call.asked.messages[0] == {"role": "system", "content": "be brief"}


async def test_the_cost_of_a_model_without_a_price_is_unknown(stub: StubServer) -> None:
    assert (await ended_as("openai", stub, {"model": "no-price"})).completed.cost_usd is None


async def test_without_a_model_the_lanes_own_one_is_asked(stub: StubServer) -> None:
    ended = await ended_as("openai", stub, {"model": None}, model_aliases={"openai": "qwen"})
    assert ended.completed.model == "qwen"


async def test_where_nobody_names_a_model_the_failure_says_what_to_do(stub: StubServer) -> None:
    assert Settings().model_aliases == {}
    failed = (await ended_as("openai", stub, {"model": None})).failed
    assert failed.failure.kind == "invalid_request"
    assert "ELEXIRION_MODEL_ALIASES" in failed.failure.message
    assert stub.calls() == []


async def test_a_schema_gives_data_and_a_wrong_answer_is_repaired(stub: StubServer) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    script(stub, says("no"), says('{"a": 1}'))
    assert (await ended_as("openai", stub, {"output_schema": schema})).result == {"a": 1}
