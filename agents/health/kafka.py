"""Checks of the broker and the log: does it answer, are the topics there, how far behind is the reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from elexirion.agents.health.machine import Limits
from elexirion.agents.health.report import Check, Finding, judged
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.telemetry.log_ends import LogEnds
from elexirion.events.topics import Topics

if TYPE_CHECKING:  # most processes that look at their health decide for nobody
    from elexirion.agents.orchestrator.partitions import Owned


def kafka(address: KafkaAddress, topics: Topics) -> Check:
    """A new connection each time: one that stands tells nothing of whether the next will."""

    async def check() -> Finding:
        client = AIOKafkaClient(bootstrap_servers=address.bootstrap, client_id=address.client_id)
        try:
            await client.bootstrap()
            known = await client.fetch_all_metadata()
        except (KafkaError, OSError) as error:
            return Finding("unhealthy", f"no broker answers at {address.bootstrap} ({type(error).__name__})")
        finally:
            await client.close()
        topic = "" if known.partitions_for_topic(topics.events) else f", without the topic {topics.events} yet"
        return Finding("healthy", f"{len(known.brokers())} broker(s) at {address.bootstrap}{topic}")

    return check


def log_lag(owned: Mapping[int, Owned], ends: LogEnds, limits: Limits) -> Check:
    """How many records of its partitions this process has not folded yet."""

    async def check() -> Finding:
        await ends.refresh()
        if not ends.up:
            return Finding("unhealthy", "the broker does not say where the log ends")
        behind = ends.lag((partition, one.fold.next_offset) for partition, one in owned.items())
        catching_up = sum(not one.caught_up for one in owned.values())
        detail = f"{sum(behind.values())} records behind on {len(owned)} partitions, {catching_up} of them catching up"
        return Finding(judged(sum(behind.values()), limits.degraded, limits.unhealthy), detail)

    return check


def command_lag(address: KafkaAddress, topics: Topics, partitions: int, limits: Limits) -> Check:
    """As seen from outside: how many commands nobody has taken into the log yet."""

    async def check() -> Finding:
        try:
            waiting = await _waiting_commands(address, topics, partitions)
        except (KafkaError, KafkaProblem, OSError) as error:
            return Finding("unhealthy", f"the positions are not known ({type(error).__name__})")
        status = judged(waiting, limits.degraded, limits.unhealthy)
        return Finding(status, f"{waiting} commands wait to be taken into the log")

    return check


async def _waiting_commands(address: KafkaAddress, topics: Topics, partitions: int) -> int:
    consumer = address.consumer(group=topics.commands_group)
    await connect(consumer, address.bootstrap)
    try:
        if not (await consumer._client.fetch_all_metadata()).partitions_for_topic(topics.commands):
            return 0
        commands = [TopicPartition(topics.commands, partition) for partition in range(partitions)]
        begins, ends = await consumer.beginning_offsets(commands), await consumer.end_offsets(commands)
        taken = {tp: await consumer.committed(tp) for tp in commands}
        return sum(ends[tp] - max(taken[tp] or 0, begins[tp]) for tp in commands)
    finally:
        await consumer.stop()
