"""Dead letters: listed, looked at, and sent to their topic again once what kept them from being read is mended."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition
from elexirion.agents.kafka.reading import STALLED_AFTER_S, broker_time, open_reader, partition_count, scan
from elexirion.client.client import Client
from elexirion.client.errors import ClientProblem
from elexirion.events.codec import UndecodableError
from elexirion.events.dead_letter import Buried, Redriven, read_dead_letter
from elexirion.events.envelope import utc_now, utc_text

SOURCE_HEADER = "elexirion_redriven_from"
"""Header of a record that was sent again: the place of its dead letter."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and where it stands; `redriven` is the last time it was sent again."""

    partition: int
    offset: int
    buried_at: datetime
    key: bytes | None
    buried: Buried
    redriven: Redriven | None = None

    @property
    def id(self) -> str:
        """Its place on `dead-letters`, by which it is named."""
        return f"{self.partition}/{self.offset}"

    def document(self) -> dict[str, Any]:
        """As plain JSON, without the bytes."""
        said, again = self.buried, self.redriven
        return {
            "letter": self.id, "buried_at": utc_text(self.buried_at), "topic": said.topic,
            "partition": said.partition, "offset": said.offset, "size": said.size, "reason": said.reason,
            "redriven": {"at": utc_text(again.at), "partition": again.partition, "offset": again.offset}
            if again else None,
        }  # fmt: skip


@dataclass
class NoSuchLetterError(ClientProblem):
    """Nothing is known under this name."""

    name: str

    def __str__(self) -> str:
        return f"there is no dead letter {self.name} (the id is PARTITION/OFFSET, as `elexirion dlq list` shows it)"


@dataclass
class NotRedrivableError(ClientProblem):
    """The letter is not to be sent again, or cannot be; `reason` says why."""

    letter: str
    reason: str

    def __str__(self) -> str:
        return f"the dead letter {self.letter} is not redriven: {self.reason}"


async def letters(client: Client, *, with_bytes: bool = False) -> list[Letter]:
    """Every letter that is kept, in order, with or without what it holds of its record; raises KafkaProblem."""
    found: dict[tuple[int, int], Letter] = {}
    async for message, said in _read(client):
        match said:
            case Buried():
                kept = said if with_bytes else replace(said, value=b"")
                found[(message.partition, message.offset)] = _letter(message, kept)
            case Redriven():
                place = (said.letter_partition, said.letter_offset)
                if place in found:
                    found[place] = replace(found[place], redriven=said)
    return list(found.values())


async def letter(client: Client, name: str) -> Letter:
    """One letter with its bytes; raises NoSuchLetterError, KafkaProblem."""
    return named(await letters(client, with_bytes=True), name)


def named(found: Iterable[Letter], name: str) -> Letter:
    """The letter at PARTITION/OFFSET, or at this offset of the only partition; raises NoSuchLetterError."""
    wanted = name if "/" in name else f"0/{name}"
    for one in found:
        if one.id == wanted:
            return one
    raise NoSuchLetterError(name)


async def redrive(client: Client, one: Letter, *, again: bool = False) -> Redriven:
    """Send the letter's record to its topic again, byte for byte, and note that it was; at most once unless `again`.

    Between the two a crash may let it be sent twice: a command counts once by its id. The letter has its bytes.
    Raises NotRedrivableError, KafkaProblem.
    """
    _check(client, one, again=again)
    value = one.buried.value if one.buried.whole else await _original(client, one)
    headers = [(SOURCE_HEADER, f"{client.topics.dead_letters}/{one.id}".encode())]
    sent = await client.publish(one.buried.topic, value, one.key, headers)
    mark = Redriven(one.partition, one.offset, sent.topic, sent.partition, sent.offset, utc_now())
    await client.publish(client.topics.dead_letters, mark.encode(), one.key, [], partition=one.partition)
    return mark


def _check(client: Client, one: Letter, *, again: bool) -> None:
    buried, before = one.buried, one.redriven
    if buried.topic != client.topics.commands:
        reason = f"it stood on {buried.topic}, and only {client.topics.commands} can be redriven. "
        reason += "What stands in the log counts by its place; commands to workers are sent again by themselves."
        raise NotRedrivableError(one.id, reason)
    if before is not None and not again:
        where = f"{before.topic}/{before.partition}/{before.offset}"
        raise NotRedrivableError(one.id, f"it was at {utc_text(before.at)}, to {where}. --again repeats it.")
    if buried.size == 0:
        raise NotRedrivableError(one.id, "it holds no bytes.")


async def _original(client: Client, one: Letter) -> bytes:
    """The record itself, where the letter holds the first part of it only."""
    tp = TopicPartition(one.buried.topic, one.buried.partition)
    consumer = await open_reader(client.address, tp.topic, [tp.partition])
    try:
        begin, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
        if begin <= one.buried.offset < end:
            consumer.seek(tp, one.buried.offset)
            batch = await consumer.getmany(tp, timeout_ms=int(STALLED_AFTER_S * 1000), max_records=1)
            for message in batch.get(tp, ()):
                if message.offset == one.buried.offset and message.value is not None:
                    return bytes(message.value)
    finally:
        await consumer.stop()
    held = f"its first {len(one.buried.value)} bytes of {one.buried.size} are all that is kept"
    raise NotRedrivableError(one.id, f"{held}; the record itself is no longer on {one.buried.topic}.")


async def _read(client: Client) -> AsyncIterator[tuple[Any, Buried | Redriven]]:
    topic = client.topics.dead_letters
    async for message in scan(client.address, topic, range(await partition_count(client.address, topic))):
        try:
            yield message, read_dead_letter(message.value)
        except UndecodableError:
            continue  # somebody else's: the topic is open to all


def _letter(message: Any, said: Buried) -> Letter:
    return Letter(message.partition, message.offset, broker_time(message), message.key, said)
