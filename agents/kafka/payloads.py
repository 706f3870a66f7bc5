"""Values too large for one record: parts on `payloads`, found again by partition and offset."""

import orjson
from aiokafka import TopicPartition
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import STALLED_AFTER_S, open_reader
from elexirion.events.canonical import canonical_json, sha256_hex
from elexirion.events.codec import decode
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.step import PayloadPart
from elexirion.events.values import Inline, Stored, Value

PART_CHARS = 200_000
"""Characters of a part; JSON escapes and UTF-8 together stay below the record limit."""


async def store(appender: Appender, run_id: str, value: object, limit_bytes: int) -> Value:
    """The value inline where it fits half the record limit, else stored; raises KafkaProblem."""
    encoded = canonical_json(value)
    if len(encoded) <= limit_bytes // 2:
        return Inline(value=value)
    digest, text = sha256_hex(encoded), encoded.decode()
    pieces = [text[start : start + PART_CHARS] for start in range(0, len(text), PART_CHARS)]
    sent = []
    for index, piece in enumerate(pieces):
        part = PayloadPart(sha256=digest, index=index, parts=len(pieces), text=piece)
        record = make_record(part, id=f"{digest}/{index}", run_id=run_id, at=utc_now())
        sent.append(await appender.keyed(appender.topics.payloads, record))
    written = [await appender.acknowledged(future, STALLED_AFTER_S) for future in sent]
    return Stored(
        sha256=digest, size=len(encoded), parts=len(pieces), partition=written[0].partition,
        offset=written[0].offset,
    )  # fmt: skip


async def load(address: KafkaAddress, topic: str, value: Value) -> object:
    """The value itself; raises KafkaProblem where its parts are gone or differ from its hash."""
    if isinstance(value, Inline):
        return value.value
    parts = await _read_parts(address, topic, value)
    text = "".join(parts[index] for index in range(value.parts))
    if sha256_hex(text.encode()) != value.sha256:
        raise KafkaProblem(f"the stored value {value.sha256[:12]} on {topic} does not have its hash.")
    return orjson.loads(text)


async def _read_parts(address: KafkaAddress, topic: str, value: Stored) -> dict[int, str]:
    consumer = await open_reader(address, topic, [value.partition])
    tp = TopicPartition(topic, value.partition)
    parts: dict[int, str] = {}
    try:
        consumer.seek(tp, value.offset)
        while len(parts) < value.parts:
            batches = await consumer.getmany(tp, timeout_ms=int(STALLED_AFTER_S * 1000))
            if not batches:
                raise KafkaProblem(f"the stored value {value.sha256[:12]} on {topic} is not complete.")
            for message in batches[tp]:
                part = decode(message.value).data
                if isinstance(part, PayloadPart) and part.sha256 == value.sha256:
                    parts[part.index] = part.text
    finally:
        await consumer.stop()
    return parts
