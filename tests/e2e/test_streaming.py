"""Streamed text reaches a consumer while the provider still speaks."""

import hashlib

import pytest
from elexirion.events.step import StepCompleted

from tests.e2e.cluster import Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer

PIECES = tuple(f"piece {number} of the answer, ünïcode {'≈' * (number % 5)}\n" for number in range(1, 41))
MODELS = {"claude": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}


def _asking(provider: str) -> str:
    prompt = '[{type: static, content: "Tell me slowly."}]'
    return f"name: asking\nsteps:\n  - {{name: answer, type: {provider}, prompt: {prompt}}}\n"


@pytest.mark.parametrize("provider", MODELS)
async def test_a_consumer_has_the_first_chunk_while_the_provider_still_answers(
    provider: str, tape: Tape, publisher: Publisher, stub: StubServer
) -> None:
    stub.answer(Answer(chunks=PIECES, hold_before_chunk=5, hold=provider))
    run = run_id(f"stream-{provider}")
    await publisher.start(run, _asking(provider))

    await tape.until(lambda: tape.chunks_of(run), 15, "the first chunk arrives")
    [call] = stub.calls()
    assert call.is_open
    assert not tape.named(run, "StepCompleted")

    stub.release(provider)
    await tape.completed(run)
    [completed] = [record.data for record in tape.accepted(run, "StepCompleted")]
    assert isinstance(completed, StepCompleted)
    await tape.until(lambda: len(tape.chunks_of(run)) >= completed.chunks, 5, "all chunks arrive")
    chunks = [data for _, data in tape.chunks_of(run)]
    assert [chunk.n for chunk in chunks] == list(range(1, completed.chunks + 1))
    assert {chunk.execution_id for chunk in chunks} == {completed.execution_id}
    text = "".join(chunk.text for chunk in chunks)
    assert text == "".join(PIECES)
    assert hashlib.sha256(text.encode()).hexdigest() == completed.text_sha256
    assert [c.asked.call_id for c in stub.calls()] == [f"{completed.execution_id}/1"]
