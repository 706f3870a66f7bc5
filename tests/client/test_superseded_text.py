"""A worker dies in the middle of its text: what every reader is told, from records written by hand."""

import uuid
from collections.abc import AsyncIterator

import pytest
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.topic_admin import ensure_topics
from elexirion.agents.settings import Settings
from elexirion.client import Chunk, Client, Entry
from elexirion.client.run_list import list_runs
from elexirion.events.envelope import Record, make_decision, make_record, utc_now
from elexirion.events.record_model import RecordModel
from elexirion.events.run import CommandReceived, RunCompleted, RunStarted
from elexirion.events.step import StepChunk, StepCompleted, StepOrphaned, StepScheduled
from elexirion.events.usage import NO_USAGE
from elexirion.events.values import Inline

RUN = "by-hand"
DEFINITION = {"name": "by hand", "steps": [{"name": "a", "type": "test_echo", "value": 1}]}


class Scribe:
    """Writes what orchestrators and workers would; decisions are numbered and chained."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self._seq = 0
        self._prev: str | None = None

    async def decide(self, data: RecordModel) -> None:
        self._seq += 1
        record = make_decision(data, run_id=RUN, seq=self._seq, prev=self._prev, author="scribe", at=utc_now())
        self._prev = record.id
        await self.write(self._appender.topics.events, record)

    async def say(self, data: RecordModel, id: str) -> None:
        await self.write(self._appender.topics.events, make_record(data, id=id, run_id=RUN, at=utc_now()))

    async def chunk(self, execution: str, n: int, text: str) -> None:
        data = StepChunk(execution_id=execution, n=n, text=text)
        record = make_record(data, id=f"{execution}/{n}", run_id=RUN, at=utc_now())
        await self.write(self._appender.topics.chunks, record)

    async def write(self, topic: str, record: Record) -> None:
        await self._appender.acknowledged(await self._appender.keyed(topic, record), 10)

    async def schedule(self, n: int, incarnation: str) -> str:
        id = f"{RUN}/a#{n}"
        await self.decide(
            StepScheduled(
                execution_id=id, step="a", step_type="test_echo", lane="local", incarnation=incarnation, attempt=1,
                input=Inline(value={}), input_hash="0",
            )
        )  # fmt: skip
        return id


@pytest.fixture
async def client(kafka: str) -> AsyncIterator[Client]:
    settings = Settings(topic_prefix=f"hand-{uuid.uuid4().hex[:8]}.", _env_file=None)  # type: ignore[call-arg]  # pydantic-settings' own
    await ensure_topics(KafkaAddress(kafka), settings)
    async with Client(kafka, settings=settings) as connected:
        yield connected


@pytest.fixture
async def written(client: Client) -> Client:
    """A run whose first execution was given up after two chunks and reports late, when the second has ended."""
    appender = Appender(client.address, client.topics, client.partitions, "tests", lambda _: None)
    await appender.start()
    try:
        await _write(Scribe(appender))
    finally:
        await appender.stop()
    return client


async def _write(scribe: Scribe) -> None:
    received = CommandReceived(
        command_id="c", content_hash="h", command_type="StartRun", command={}, topic="t", partition=0, offset=0
    )
    await scribe.say(received, "received")
    await scribe.decide(
        RunStarted(
            command_id="c", content_hash="h", pipeline_name="by hand", definition=DEFINITION, definition_sha256="d",
            inputs={},
        )
    )  # fmt: skip
    first = await scribe.schedule(1, "w.1")
    await scribe.chunk(first, 1, "lost ")
    await scribe.chunk(first, 2, "text")
    await scribe.decide(StepOrphaned(execution_id=first, incarnation="w.1", reason="lease_expired"))
    second = await scribe.schedule(2, "w.2")
    for n, text in ((1, "kept "), (1, "kept "), (2, "text")):
        await scribe.chunk(second, n, text)
    await scribe.say(StepCompleted(execution_id=second, incarnation="w.2", result=Inline(value="kept text")), "r2")
    await scribe.say(StepCompleted(execution_id=first, incarnation="w.1", result=Inline(value="lost text")), "r1")
    await scribe.decide(RunCompleted(result=Inline(value="kept text"), usage=NO_USAGE, cost_usd=0.0, context_hash="x"))


async def test_the_text_of_a_given_up_execution_is_marked_and_a_repeated_chunk_counts_once(written: Client) -> None:
    chunks = [chunk async for chunk in written.run(RUN).chunks()]
    kept = "".join(chunk.text for chunk in chunks if chunk.execution_id == f"{RUN}/a#2")
    assert kept == "kept text"
    assert not any(chunk.superseded for chunk in chunks if chunk.execution_id == f"{RUN}/a#2")
    # Read after its end, the run tells at once that the first execution does not count.
    assert [chunk.text for chunk in chunks if chunk.superseded] == ["lost ", "text"]


async def test_the_late_report_is_refused_and_the_result_is_the_accepted_one(written: Client) -> None:
    entries = (await written.read(RUN)).entries
    assert [entry.refused for entry in entries if entry.refused] == ["execution_closed"]
    result = await written.run(RUN).result(timeout=10)
    assert (result.status, result.result) == ("completed", "kept text")


async def test_updates_end_with_the_terminal_event_and_all_text(written: Client) -> None:
    updates = [update async for update in written.run(RUN).updates()]
    assert sum(isinstance(update, Chunk) for update in updates) == 4
    types = [update.record.type for update in updates if isinstance(update, Entry) and update.record]
    assert types[-1] == "RunCompleted"


async def test_a_run_in_the_list_has_its_steps_counted(written: Client) -> None:
    [run] = await list_runs(written)
    assert (run.run_id, run.status, run.done, run.steps) == (RUN, "completed", 1, 1)
