"""Values too large for one record travel by `payloads`, and steps use them all the same."""

import pytest
from elexirion.agents.kafka import payloads
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.events.canonical import canonical_json, sha256_hex
from elexirion.events.step import StepCompleted
from elexirion.events.values import Stored

from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer

PIECE = 'Straße "quoted" \\ ≈ \n 0123456789 ' * 1000
PIECES = tuple(f"{number}:{PIECE}" for number in range(90))
TEXT = "".join(PIECES)
USING = """\
name: large
steps:
  - {name: book, type: claude, prompt: [{type: static, content: "Write a book."}]}
  - {name: measure, type: test_echo, value: "{{ steps.book.result | length }}"}
  - {name: last, type: test_echo, value: "{{ steps.book.result[-20:] }}"}
"""
WHOLE = """\
name: whole
steps:
  - {name: book, type: claude, prompt: [{type: static, content: "Write a book."}]}
"""


async def test_a_result_of_three_megabytes_is_stored_and_used_by_later_steps(
    standing: Cluster, tape: Tape, publisher: Publisher, stub: StubServer
) -> None:
    assert len(TEXT.encode()) > 3_000_000
    stub.answer(Answer(chunks=PIECES))
    run = run_id("large")
    await publisher.start(run, USING)
    await tape.completed(run, 60)

    results = {data.execution_id.split("/")[1]: data.result for data in _completed(tape, run)}
    stored = results["book#1"]
    assert isinstance(stored, Stored)
    assert stored.size == len(canonical_json(TEXT))
    assert stored.sha256 == sha256_hex(canonical_json(TEXT))
    assert await payloads.load(KafkaAddress(standing.bootstrap), standing.topics.payloads, stored) == TEXT
    assert [results[name].value for name in ("measure#1", "last#1")] == [len(TEXT), TEXT[-20:]]  # type: ignore[union-attr]
    largest = max(len(seen.message.value) for seen in tape.of_run(run))
    assert largest < 1_000_000


async def test_a_run_whose_result_is_large_ends_with_a_reference_to_it(
    standing: Cluster, tape: Tape, publisher: Publisher, stub: StubServer
) -> None:
    stub.answer(Answer(chunks=PIECES))
    run = run_id("whole")
    await publisher.start(run, WHOLE)
    await tape.completed(run, 60)
    result = tape.state(run).result
    assert isinstance(result, Stored)
    assert await payloads.load(KafkaAddress(standing.bootstrap), standing.topics.payloads, result) == TEXT


@pytest.mark.parametrize("size", [400_000, 499_998, 499_999, 600_000])
async def test_values_around_half_a_record_pass_through_a_run(
    size: int, tape: Tape, publisher: Publisher, standing: Cluster
) -> None:
    """499,998 characters and two quotes are half a record: the largest value that stands inline."""
    text, run = "x" * size, run_id("half")
    pipeline = 'name: half\nsteps:\n  - {name: echo, type: test_echo, value: "{{ inputs.text }}"}\n'
    await publisher.start(run, pipeline, inputs={"text": text})
    await tape.completed(run)
    result = tape.state(run).result
    assert result is not None
    assert isinstance(result, Stored) == (size > 499_998)
    assert await payloads.load(KafkaAddress(standing.bootstrap), standing.topics.payloads, result) == text


def _completed(tape: Tape, run: str) -> list[StepCompleted]:
    return [r.data for r in tape.accepted(run, "StepCompleted") if isinstance(r.data, StepCompleted)]
