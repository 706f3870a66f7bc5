"""Following a run where records and text arrive in batches of the broker's choosing, over a consumer made of lists."""

from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.client import Chunk, Entry
from elexirion.client.following import RunPlace, Update, follow
from elexirion.events.codec import encode
from elexirion.events.envelope import make_record
from elexirion.events.step import StepChunk

from tests.projections.partition_log import RUN, START, RunLog

EVENTS, TEXT = TopicPartition("events", 0), TopicPartition("chunks", 0)


def message(tp: TopicPartition, offset: int, value: bytes, at: datetime, key: str = RUN) -> Any:
    """A consumed message."""
    return SimpleNamespace(
        key=key.encode(), value=value, timestamp=int(at.timestamp() * 1000), partition=tp.partition, offset=offset
    )


@dataclass
class ListConsumer:
    """As much of a consumer as following asks for. Each fetch gives `at_once` messages of every partition."""

    topics: dict[TopicPartition, list[Any]]
    at_once: int
    places: dict[TopicPartition, int] = field(default_factory=dict)
    paused: set[TopicPartition] = field(default_factory=set)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, tps: list[TopicPartition]) -> None:
        self.places = dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.places[tp] = offset

    def pause(self, tp: TopicPartition) -> None:
        self.paused.add(tp)

    def resume(self, tp: TopicPartition) -> None:
        self.paused.discard(tp)

    async def position(self, tp: TopicPartition) -> int:
        return self.places[tp]

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: len(self.topics[tp]) for tp in tps}

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        return {
            tp: next((SimpleNamespace(offset=one.offset) for one in self.topics[tp] if one.timestamp >= at), None)
            for tp, at in times.items()
        }

    async def getmany(self, *tps: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        wanted = [tp for tp in tps or self.places if tp not in self.paused]
        found = {tp: self.topics[tp][self.places[tp] : self.places[tp] + self.at_once] for tp in wanted}
        for tp, messages in found.items():
            self.places[tp] += len(messages)
        return {tp: messages for tp, messages in found.items() if messages}


def streamed_run() -> dict[TopicPartition, list[Any]]:
    """Both topics after a run whose step a streamed three chunks."""
    log = RunLog("a")
    log.schedule("a")
    log.begin("a")
    chunks = [(StepChunk(execution_id=log.execution("a"), n=n, text=f"{n} "), log.now) for n in (1, 2, 3)]
    log.report(log.completed("a").model_copy(update={"chunks": 3}))
    log.end()
    texts = [encode(make_record(data, id=f"c{data.n}", run_id=RUN, at=at)) for data, at in chunks]
    return {
        EVENTS: [message(EVENTS, n, encode(record), at) for n, (record, at) in enumerate(log.records)],
        TEXT: [message(TEXT, n, value, at) for n, (value, (_, at)) in enumerate(zip(texts, chunks, strict=True))],
    }


def named(update: Update) -> str:
    """A chunk's text, or a record's type."""
    if isinstance(update, Chunk):
        return update.text
    return update.record.type if update.record else ""


async def updates(consumer: ListConsumer, place: RunPlace) -> list[Update]:
    """All updates of the run, as `follow` gives them."""
    address = cast(KafkaAddress, SimpleNamespace(bootstrap="nowhere", consumer=lambda: consumer))
    async with aclosing(follow(address, place, chunks=True)) as found:
        return [update async for update in found]


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
@pytest.mark.parametrize("text_from", [None, 0], ids=["text is looked up", "text from its beginning"])
async def test_text_stands_before_the_end_of_its_step_however_the_two_are_fetched(
    at_once: int, text_from: int | None
) -> None:
    place = RunPlace(RUN, EVENTS, TEXT, events_from=0, chunks_from=text_from)
    found = await updates(ListConsumer(streamed_run(), at_once), place)
    kinds = [named(one) for one in found]
    assert kinds.index("3 ") < kinds.index("StepCompleted")
    assert [kind for kind in kinds if kind.endswith(" ")] == ["1 ", "2 ", "3 "]
    assert kinds[-1] == "RunCompleted"


async def test_records_and_text_of_other_runs_are_passed_over() -> None:
    topics = streamed_run()
    for tp, messages in topics.items():
        for one in messages:
            one.offset += 1
        messages.insert(0, message(tp, 0, messages[0].value, START, key="another-run"))
    found = await updates(ListConsumer(topics, 100), RunPlace(RUN, EVENTS, TEXT, 0, 0))
    assert sum(isinstance(one, Chunk) for one in found) == 3
    assert sum(isinstance(one, Entry) for one in found) == len(topics[EVENTS]) - 1
