"""Equal requests are answered once: within a worker, between workers, and by a later run."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import scan
from elexirion.agents.kafka.topic_admin import ensure_topics
from elexirion.agents.settings import Settings
from elexirion.agents.worker.cache_topic import CacheTopic
from elexirion.events.codec import encode
from elexirion.events.envelope import make_record
from elexirion.events.provider import CacheEntry
from elexirion.events.step import CacheHit, StepCompleted
from elexirion.events.topics import Topics
from elexirion.projections import result_cache

from tests.agents.working import until
from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import Tape
from tests.events.examples import AT, USED
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer

RUNS, STEPS = 20, 10
SLOW = Answer(chunks=("It ", "rains."), delay_first_byte_s=0.3)


def pipeline(question: str, steps: int = 1, **more: Any) -> dict[str, Any]:
    """Equal steps, side by side, with the cache switched on in `defaults`."""
    step = {"type": "claude", "prompt": question, "needs": [], **more}
    named = [{"name": f"ask_{number}", **step} for number in range(steps)]
    return {"name": "equal", "defaults": {"cache": True}, "steps": named}


def about(stub: StubServer, question: str) -> list[StubCall]:
    """The calls that ask this."""
    return [call for call in stub.calls() if question in call.asked.prompt]


async def test_equal_steps_at_once_make_a_call_per_worker_and_those_of_a_later_run_none(
    standing: Cluster, tape: Tape, publisher: Publisher, stub: StubServer
) -> None:
    stub.answer(SLOW)
    question = f"How is the weather? {uuid.uuid4().hex}"
    runs = [run_id("equal") for _ in range(RUNS)]
    await asyncio.gather(*(publisher.start(run, pipeline(question, STEPS)) for run in runs))
    for run in runs:
        await tape.completed(run, 60)

    calls = len(about(stub, question))
    assert 1 <= calls <= len(standing.workers) == 2
    ended = [data for run in runs for data in _of(tape, run, StepCompleted)]
    assert [data.result.value for data in ended] == ["It rains."] * (RUNS * STEPS)
    assert sum(data.cost_usd > 0 for data in ended) == calls
    assert sum(len(_of(tape, run, CacheHit)) for run in runs) == RUNS * STEPS - calls

    later = run_id("later")
    await publisher.start(later, pipeline(question))
    await tape.completed(later)
    assert len(about(stub, question)) == calls
    [hit], [completed] = _of(tape, later, CacheHit), _of(tape, later, StepCompleted)
    assert (hit.execution_id, completed.result.value, completed.cost_usd) == (f"{later}/ask_0#1", "It rains.", 0.0)
    assert tape.state(later).cost_usd == 0.0
    assert not tape.named(later, "ProviderRequested")
    assert "".join(data.text for _, data in tape.chunks_of(later)) == "It rains."

    await _holds_no_secrets(standing, hit.request_hash, question)


async def _holds_no_secrets(cluster: Cluster, request_hash: str, question: str) -> None:
    """The entry stands on the topic under its hash; neither what was asked nor the key of the provider does."""
    address = KafkaAddress(cluster.bootstrap)
    messages = [message async for message in scan(address, cluster.topics.cache, [0])]
    assert request_hash.encode() in {message.key for message in messages}
    for message in messages:
        written = message.key + (message.value or b"") + repr(message.headers).encode()
        assert question.encode() not in written
        assert b"stub-key" not in written


async def test_the_items_of_a_batch_share_an_answer(tape: Tape, publisher: Publisher, stub: StubServer) -> None:
    stub.answer(SLOW)
    question = f"How will the weather be? {uuid.uuid4().hex}"
    batch = {"name": "each", "type": "claude_batch", "items": ["a"] * 6, "max_parallel": 6, "cache": True}
    template = {"type": "claude", "prompt": question}
    run = run_id("batch")
    await publisher.start(run, {"name": "batch", "steps": [{**batch, "step_template": template}]})
    await tape.completed(run)
    assert 1 <= len(about(stub, question)) <= 2
    assert len(_of(tape, run, CacheHit)) == 6 - len(about(stub, question))


async def test_a_step_with_cache_false_makes_its_own_call_each_time(
    tape: Tape, publisher: Publisher, stub: StubServer
) -> None:
    stub.answer(SLOW)
    question = f"How is the weather now? {uuid.uuid4().hex}"
    for number in (1, 2):
        run = run_id("own")
        await publisher.start(run, pipeline(question, 2, cache=False))
        await tape.completed(run)
        assert len(about(stub, question)) == 2 * number
        assert not tape.named(run, "CacheHit")


async def test_an_answer_older_than_the_step_s_time_is_asked_for_anew(
    tape: Tape, publisher: Publisher, stub: StubServer
) -> None:
    stub.answer(Answer(chunks=("It rains.",)))
    question = f"How was the weather? {uuid.uuid4().hex}"
    sleepy = pipeline(question, 2, cache={"ttl_seconds": 1})
    sleepy["steps"][1]["needs"] = ["nap"]
    sleepy["steps"].insert(1, {"name": "nap", "type": "delay", "seconds": 1, "needs": ["ask_0"]})
    run = run_id("stale")
    await publisher.start(run, sleepy)
    await tape.completed(run)
    assert len(about(stub, question)) == 2
    assert not tape.named(run, "CacheHit")


# -- the topic


async def test_workers_hear_of_answers_whether_they_were_there_or_come_later(kafka: str) -> None:
    topics = await _topics(kafka)
    async with _worker(kafka, topics) as (writer, appender), _worker(kafka, topics) as (reader, _):
        await _spoil(appender)
        for number in (1, 2, 3):
            _write(writer, f"answer {number}")
        await until(lambda: len(reader.results) == 3, 20)
        writer.write(_hash("answer 2"), None)
        await until(lambda: len(reader.results) == 2, 20)
        async with _worker(kafka, topics) as (late, _):
            await until(lambda: len(late.results) == 2, 20)
            found = late.results.fresh(_hash("answer 1"), 60, AT)
            assert found == _entry("answer 1")


async def test_no_more_is_read_of_an_old_topic_than_can_be_kept(kafka: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("elexirion.agents.worker.cache_topic.MAX_ENTRIES", 2)
    assert result_cache.MAX_ENTRIES > 2
    topics = await _topics(kafka)
    async with _worker(kafka, topics) as (writer, _):
        for number in range(5):
            _write(writer, f"answer {number}")
        await until(lambda: writer.results.fresh(_hash("answer 4"), 60, AT), 20)
    async with _worker(kafka, topics) as (late, _):
        await until(lambda: len(late.results) == 2, 20)
        assert late.results.fresh(_hash("answer 4"), 60, AT)
        assert late.results.fresh(_hash("answer 3"), 60, AT)


async def _topics(kafka: str) -> Topics:
    settings = Settings(topic_prefix=f"cache-{uuid.uuid4().hex[:8]}.", _env_file=None)
    await ensure_topics(KafkaAddress(kafka), settings)
    return Topics(settings.topic_prefix)


@asynccontextmanager
async def _worker(kafka: str, topics: Topics) -> AsyncIterator[tuple[CacheTopic, Appender]]:
    """The part of a worker that reads and writes the topic."""
    address = KafkaAddress(kafka)
    appender = Appender(address, topics, 8, "test", lambda error: None)
    await appender.start()
    topic = CacheTopic(address, appender)
    topic.start(reading=True)
    try:
        yield topic, appender
    finally:
        await topic.stop()
        await appender.stop()


async def _spoil(appender: Appender) -> None:
    """Records that no worker wrote: none of them is believed, and none is in the way."""
    record = make_record(_entry("under a wrong key"), id="x", run_id="run-1", at=AT)
    timeless = orjson.loads(encode(record))
    timeless["data"]["written_at"] = "2026-01-01T00:00:00"
    for value, key in (
        (b"no JSON", "a"),
        (b"", "b"),
        (b"[]", "c"),
        (orjson.dumps(timeless), record.raw["request_hash"]),
    ):
        await appender.acknowledged(await appender.raw(appender.topics.cache, value, key, 0), 10)
    await appender.acknowledged(await appender.send(appender.topics.cache, record, "other", 0), 10)


def _write(topic: CacheTopic, text: str) -> None:
    entry = _entry(text)
    topic.write(entry.request_hash, make_record(entry, id=f"{text}/cached", run_id="run-1", at=AT))


def _entry(text: str) -> CacheEntry:
    return CacheEntry(
        request_hash=_hash(text), written_at=AT, provider="claude", model="m", text=text, usage=USED, stop_reason="end"
    )


def _hash(text: str) -> str:
    return text.encode().hex().ljust(64, "0")


def _of(tape: Tape, run: str, kind: type[Any]) -> list[Any]:
    return [record.data for record in tape.accepted(run, kind.__name__)]
