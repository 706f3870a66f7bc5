"""An extraction step: the result is what was taken out of the answer, and a wrong answer says where it is wrong."""

from typing import Any

import pytest

from tests.agents.steps.conversing import USAGE, model, run, runner_of
from tests.agents.steps.running import Ended

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def _run(*answers: str, output_schema: dict[str, Any] | None = None, **extraction: Any) -> Ended:
    config = {"prompt": "x", "output_schema": output_schema, "extraction": {"format": "text", **extraction}}
    return await run(runner_of("claude_extract"), model(*answers), config)


async def test_the_result_is_the_value_and_the_stream_the_answer() -> None:
    ended = await _run('Sure:\n```json\n{"n": 1}\n```', format="json")
    assert (ended.result, ended.completed.usage) == ({"n": 1}, USAGE)
    assert ended.text.startswith("Sure")


async def test_metadata_name_the_model() -> None:
    ended = await _run("one two", include_metadata=True)
    assert ended.result == {
        "content": "one two",
        "format": "text",
        "metadata": {"characters": 7, "words": 2, "lines": 1, "model": "model-1", "stop_reason": "end_turn"},
    }


async def test_data_that_does_not_fit_its_schema_fails_with_its_place_after_one_repair() -> None:
    bad = '{"n": "one"}'
    ended = await _run(bad, bad, format="json", schema=SCHEMA, output_schema=SCHEMA)
    assert ended.failed.failure.kind == "schema_mismatch"
    assert "$.n" in ended.failed.failure.message


async def test_data_by_a_schema_is_the_value() -> None:
    ended = await _run('{"n": 2}', format="structured", schema=SCHEMA, output_schema=SCHEMA)
    assert ended.result == {"n": 2}


async def test_a_text_that_does_not_fit_its_schema_fails_and_is_paid_for() -> None:
    ended = await _run("far too long", schema={"maxLength": 3})
    assert (ended.failed.failure.kind, ended.failed.usage) == ("schema_mismatch", USAGE)
    assert "maxLength" in ended.failed.failure.message and "far too long" not in ended.failed.failure.message
    fits = await _run("abc", schema={"maxLength": 3}, include_metadata=True)
    assert fits.result["content"] == "abc"


@pytest.mark.parametrize("answer", ["", " \n "])
async def test_an_empty_answer_fails_where_it_is_validated(answer: str) -> None:
    ended = await _run(answer, post_processing=["validate"])
    assert (ended.failed.failure.kind, ended.failed.failure.message) == ("step_error", "the model's answer is empty")
    assert (await _run(answer)).result == answer
