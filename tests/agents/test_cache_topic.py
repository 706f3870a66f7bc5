"""The cache topic is written and read beside the work: a broker that is slow, refuses or is away stops nothing."""

import asyncio
from typing import Any, cast

from aiokafka.errors import RequestTimedOutError
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.worker.cache_topic import WAITING, CacheTopic
from elexirion.events.envelope import make_record
from elexirion.events.provider import CacheEntry
from structlog.testing import capture_logs

from tests.agents.working import TOPICS, Broker, until
from tests.events.examples import AT, USED

NOBODY = KafkaAddress("127.0.0.1:1")
ENTRY = CacheEntry(
    request_hash="a" * 64, written_at=AT, provider="claude", model="m", text="canary", usage=USED, stop_reason="end"
)
RECORD = make_record(ENTRY, id="run-1/s#1/1/cached", run_id="run-1", at=AT)


def topic_over(broker: Broker) -> CacheTopic:
    """A cache topic whose writes end at this broker, and whose reader finds nobody."""
    appender = Appender(cast(KafkaAddress, broker), TOPICS, 8, "test", lambda error: None)
    return CacheTopic(NOBODY, appender)


async def test_an_entry_is_written_in_the_background_and_before_the_end() -> None:
    broker = Broker()
    topic = topic_over(broker)
    topic.start(reading=False)
    topic.write(ENTRY.request_hash, RECORD)
    assert broker.sent == []
    await topic.stop()
    assert [record.data for record in broker.sent] == [ENTRY]


async def test_more_than_can_wait_is_dropped_and_nobody_waits() -> None:
    broker = Broker()
    topic = topic_over(broker)
    for _ in range(WAITING + 5):
        topic.write(ENTRY.request_hash, RECORD)
    topic.start(reading=False)
    await topic.stop()
    assert len(broker.sent) == WAITING


async def test_a_refused_entry_does_not_keep_the_next_one_back_and_no_text_is_logged() -> None:
    refusals = iter([RequestTimedOutError(), None])
    broker = Broker(lambda record: next(refusals))
    topic = topic_over(broker)
    topic.start(reading=False)
    with capture_logs() as logs:
        topic.write(ENTRY.request_hash, RECORD)
        topic.write(ENTRY.request_hash, RECORD)
        await topic.stop()
    assert len(broker.sent) == 2
    assert [line["event"] for line in logs] == ["a cached result was not written"]
    assert "canary" not in str(logs)


async def test_a_broker_that_never_answers_does_not_hold_up_the_end(monkeypatch: Any) -> None:
    monkeypatch.setattr("elexirion.agents.worker.cache_topic.FLUSH_WITHIN_S", 0.05)
    broker = Broker(silent=True)
    topic = topic_over(broker)
    topic.start(reading=False)
    topic.write(ENTRY.request_hash, RECORD)
    async with asyncio.timeout(5):
        await topic.stop()


async def test_a_topic_that_cannot_be_read_is_tried_again(monkeypatch: Any) -> None:
    monkeypatch.setattr("elexirion.agents.worker.cache_topic.AGAIN_AFTER_S", 0.001)
    topic = topic_over(Broker())
    with capture_logs() as logs:
        topic.start(reading=True)
        await until(lambda: len(logs) >= 2)
        await topic.stop()
    assert {line["event"] for line in logs} == {"the result cache cannot be read; trying again"}


async def test_a_worker_that_never_began_ends_all_the_same() -> None:
    topic = topic_over(Broker())
    topic.write(ENTRY.request_hash, RECORD)
    await topic.stop()
