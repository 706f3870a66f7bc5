"""The client as programs use it, with a worker in another process."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from elexirion.agents.settings import Settings
from elexirion.client import Client, CommandRejectedError, Entry, UnknownRunError
from elexirion.events.commands import StartRun

from tests.serving import CommandLine

ASKING = "name: asking\nsteps: [{name: ask, type: gemini, prompt: 'Tell me about {{ inputs.topic }}.'}]\n"
SLOW = "name: slow\nsteps: [{name: long, type: test_echo, value: a long story, chunks: 9, delay_ms: 30000}]\n"
DOCUMENT = {"name": "document", "steps": [{"name": "a", "type": "test_echo", "value": {"n": [1, 2]}}]}


@pytest.fixture
async def client(served: CommandLine) -> AsyncIterator[Client]:
    async with _client(served) as connected:
        yield connected


def _client(served: CommandLine) -> Client:
    prefix = served.settings["ELEXIRION_TOPIC_PREFIX"]
    settings = Settings(topic_prefix=prefix, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own
    return Client(served.settings["ELEXIRION_KAFKA"], settings=settings)


async def test_a_result_has_status_usage_cost_steps_and_hash(client: Client) -> None:
    run = await client.start(ASKING, inputs={"topic": "rivers"}, offline=True)
    result = await run.result(timeout=30)
    assert result.completed
    assert result.run_id == run.run_id
    assert result.usage.output_tokens > 0
    assert result.context_hash == (await client.read(run.run_id)).entries[-1].record.raw["context_hash"]  # type: ignore[union-attr]  # it can be read
    assert [(step.name, step.status) for step in result.steps] == [("ask", "completed")]


async def test_chunks_are_gapless_and_joined_they_are_the_text_of_the_result(client: Client) -> None:
    run = await client.start(ASKING, inputs={"topic": "bridges"}, offline=True)
    chunks = [chunk async for chunk in run.chunks()]
    assert [chunk.n for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert not any(chunk.superseded for chunk in chunks)
    text = "".join(chunk.text for chunk in chunks)
    state = (await client.read(run.run_id)).state
    assert state is not None
    assert state.steps["ask"].text_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (await run.result(timeout=10)).result == text


async def test_the_text_of_an_execution_comes_before_the_record_that_ends_it(client: Client) -> None:
    run = await client.start(ASKING, inputs={"topic": "order"}, offline=True)
    live = [update async for update in run.updates()]
    later = [update async for update in client.run(run.run_id).updates()]
    for updates in (live, later):
        kinds = [u.record.type if isinstance(u, Entry) and u.record else "chunk" for u in updates]
        assert "chunk" in kinds
        assert "chunk" not in kinds[kinds.index("StepCompleted") :]


async def test_another_client_finds_result_and_text_by_the_run_id(client: Client, served: CommandLine) -> None:
    run = await client.start(ASKING, inputs={"topic": "islands"}, offline=True)
    first = await run.result(timeout=30)
    async with _client(served) as other:
        again = other.run(run.run_id)
        assert await again.result(timeout=10) == first
        assert "".join([chunk.text async for chunk in again.chunks()]) == first.result


async def test_a_result_may_be_awaited_before_anybody_starts_the_run(client: Client) -> None:
    waiting = asyncio.create_task(client.run("expected-run").result(timeout=30))
    await client.start(DOCUMENT, run_id="expected-run")
    assert (await waiting).result == {"n": [1, 2]}


async def test_a_pipeline_may_be_a_file(client: Client, served: CommandLine) -> None:
    file = served.file("from a program.yaml", ASKING)
    run = await client.start(file, inputs={"topic": "files"}, offline=True)
    await run.result(timeout=30)
    state = (await client.read(run.run_id)).state
    assert state is not None
    assert state.source.file == str(file)
    assert state.source.folder == str(served.folder)


async def test_a_chain_gives_all_results_in_order(client: Client) -> None:
    following = {"name": "next", "steps": [{"name": "b", "type": "test_echo", "value": "{{ inputs.input.n }}"}]}
    run = await client.start(DOCUMENT, then=[following])
    first, second = await run.chain(timeout=30)
    assert (first.next_run_id, second.previous_run_id) == (second.run_id, first.run_id)
    assert second.result == [1, 2]


async def test_a_cancelled_run_ends_and_keeps_its_reason(client: Client) -> None:
    run = await client.start(SLOW)
    async with aclosing(run.updates()) as updates:
        async for update in updates:
            if isinstance(update, Entry) and update.record and update.record.type == "StepStarted":
                break
    await run.cancel("enough", timeout=20)
    result = await run.result(timeout=5)
    assert result.status == "cancelled"
    assert result.failure is not None
    assert result.failure.message == "enough"


async def test_cancelling_a_run_that_is_not_there_is_rejected(client: Client) -> None:
    with pytest.raises(CommandRejectedError) as rejected:
        await client.run("nobody-started-it").cancel(timeout=20)
    assert rejected.value.code == "no_such_run"


async def test_an_invalid_pipeline_is_rejected_with_line_and_hint(client: Client) -> None:
    run = await client.start("name: bad\nsteps:\n  - {name: a, type: test_ecko}\n")
    with pytest.raises(CommandRejectedError) as rejected:
        await run.result(timeout=20)
    assert rejected.value.code == "invalid_pipeline"
    assert ":3:" in rejected.value.reason
    assert "test_echo" in rejected.value.reason


async def test_the_same_command_twice_starts_one_run(client: Client) -> None:
    command = StartRun(pipeline=DOCUMENT)
    for _ in range(2):
        await client.send("sent-twice", command, "cmd-sent-twice")
    await client.run("sent-twice").result(timeout=30)
    entries = (await client.read("sent-twice")).entries
    assert [e.record.type for e in entries if e.record and e.of_run].count("RunStarted") == 1


async def test_a_result_that_takes_too_long_is_a_timeout_and_the_run_goes_on(client: Client) -> None:
    run = await client.start(SLOW)
    with pytest.raises(TimeoutError):
        await run.result(timeout=1)
    await run.cancel(timeout=20)


async def test_an_unknown_run_is_told_with_ids_near_to_it(client: Client) -> None:
    await (await client.start(DOCUMENT, run_id="winter-report")).result(timeout=30)
    with pytest.raises(UnknownRunError, match="winter-report"):
        await client.read("winter-raport")


async def test_a_malformed_run_id_is_refused_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(ValueError, match="run id"):
        await client.start(DOCUMENT, run_id="no/slashes")


def test_a_client_needs_an_address() -> None:
    settings = Settings(kafka=None, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own
    with pytest.raises(ValueError, match="ELEXIRION_KAFKA"):
        Client(settings=settings)
