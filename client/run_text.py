"""The text of a run that is still kept, from its part of the `chunks` topic alone."""

from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import STALLED_AFTER_S, broker_time, open_reader
from elexirion.client.following import CLOCK_SKEW, offset_at
from elexirion.client.run_log import RunLog
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.step import StepChunk
from elexirion.projections.replay import Streamed


async def read_text(address: KafkaAddress, tp: TopicPartition, log: RunLog) -> list[Streamed]:
    """The run's chunks in the order of the topic `tp`, with their broker timestamps; raises KafkaProblem.

    Begins at the time of the run's first record and ends at that of its end, clocks differing as they may.
    """
    if not log.entries:
        return []
    consumer = await open_reader(address, tp.topic, [tp.partition])
    try:
        consumer.seek(tp, await offset_at(consumer, tp, _ms(log.entries[0].broker_at)))
        return await _read_to(consumer, tp, await _end(consumer, tp, log), log.run_id.encode())
    finally:
        await consumer.stop()


async def _end(consumer: AIOKafkaConsumer, tp: TopicPartition, log: RunLog) -> int:
    end = int((await consumer.end_offsets([tp]))[tp])
    if log.state is None or not log.state.ended:
        return end
    last = max(entry.broker_at for entry in log.entries if entry.of_run)
    found = (await consumer.offsets_for_times({tp: _ms(last + CLOCK_SKEW)}))[tp]
    return end if found is None else min(end, int(found.offset))


async def _read_to(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int, key: bytes) -> list[Streamed]:
    found: list[Streamed] = []
    while await consumer.position(tp) < end:
        batch = (await consumer.getmany(tp, timeout_ms=int(STALLED_AFTER_S * 1000))).get(tp, ())
        if not batch and await consumer.position(tp) < end:
            raise KafkaProblem(f"the broker sent nothing for {STALLED_AFTER_S:g} s while reading {tp}")
        own = (message for message in batch if message.key == key and message.offset < end)
        found += [(chunk, broker_time(message)) for message in own if (chunk := _chunk(message))]
    return found


def _chunk(message: Any) -> StepChunk | None:
    try:
        data = decode(message.value).data
    except UndecodableError:
        return None
    return data if isinstance(data, StepChunk) else None


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
