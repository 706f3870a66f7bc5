"""The check of the circuits: which models are not called at present."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from elexirion.agents.health.report import Check, Finding
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import broker_time
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.envelope import utc_now
from elexirion.events.topics import Topics
from elexirion.projections.circuit import Circuit
from elexirion.projections.providers import Providers, apply

LOOKED_BACK = timedelta(minutes=15)
"""No circuit stays open for longer without another decision, unless nobody asks for it."""


def circuits(state: Callable[[], Awaitable[Providers]]) -> Check:
    """A circuit that is not closed degrades: the other models, and `fallback`, work on."""

    async def check() -> Finding:
        try:
            known = await state()
        except (KafkaError, KafkaProblem, OSError) as error:
            return Finding("unhealthy", f"the circuits are not known ({type(error).__name__})")
        found = [_told(*of, one) for of, one in known.circuits.items() if one.position != "closed"]
        return Finding("degraded", ", ".join(found)) if found else Finding("healthy", "all closed")

    return check


def _told(provider: str, model: str, circuit: Circuit) -> str:
    until = f" until {circuit.until:%H:%M:%S} UTC" if circuit.position == "open" and circuit.until else ""
    return f"{provider}/{model} {circuit.position.replace('_', ' ')}{until}"


async def read_from_outside(address: KafkaAddress, topics: Topics) -> Providers:
    """The fold of the last LOOKED_BACK of `providers`; nothing where the topic is not there yet."""
    consumer = address.consumer()
    await connect(consumer, address.bootstrap)
    try:
        if not (await consumer._client.fetch_all_metadata()).partitions_for_topic(topics.providers):
            return Providers()
        at = TopicPartition(topics.providers, 0)
        consumer.assign([at])
        since = int((utc_now() - LOOKED_BACK).timestamp() * 1000)
        found, end = (await consumer.offsets_for_times({at: since}))[at], (await consumer.end_offsets([at]))[at]
        consumer.seek(at, found.offset if found else end)
        state = Providers()
        while await consumer.position(at) < end:
            for messages in (await consumer.getmany(at, timeout_ms=1000)).values():
                for message in messages:
                    state = _after(state, message)
        return state
    finally:
        await consumer.stop()


def _after(state: Providers, message: object) -> Providers:
    try:
        record = decode(message.value)  # type: ignore[attr-defined]  # aiokafka is untyped
    except UndecodableError:
        return state
    return apply(state, record, broker_time(message))
