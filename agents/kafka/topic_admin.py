"""Creating and describing the topics. They are created explicitly, never by use."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.errors import InvalidPartitionsError, KafkaError, TopicAlreadyExistsError, for_code
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.errors import KafkaProblem, TopicsMismatchError
from elexirion.agents.settings import Settings
from elexirion.events.topics import Topics, TopicSpec, topic_specs

KNOWN_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class TopicFound:
    """A topic as the broker has it; `partitions` is 0 where it does not exist."""

    spec: TopicSpec
    partitions: int


def specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """The topics as these settings want them."""
    return topic_specs(Topics(settings.topic_prefix), settings.events_partitions, settings.lane_partitions)


async def ensure_topics(address: KafkaAddress, settings: Settings) -> tuple[TopicFound, ...]:
    """Create what is missing and widen lanes that are too narrow; raises TopicsMismatchError where keys would move."""
    admin = address.admin()
    await connect(admin, address.bootstrap)
    try:
        found = await _describe(admin, specs(settings))
        missing = [topic.spec for topic in found if topic.partitions == 0]
        if missing:
            await _create(admin, missing, settings.replication_factor)
            found = await _until_known(admin, specs(settings))
        for topic in found:
            if not topic.spec.keyed and topic.partitions < topic.spec.partitions:
                await _widen(admin, topic.spec.name, topic.spec.partitions)
    finally:
        await admin.close()
    _refuse_mismatch(found)
    return found


async def widen_lane(address: KafkaAddress, topic: str, partitions: int) -> None:
    """Give a lane's topic so many partitions, where it has fewer: no key lives on it, so nothing moves.

    Raises KafkaProblem.
    """
    admin = address.admin()
    await connect(admin, address.bootstrap)
    try:
        await _widen(admin, topic, partitions)
    finally:
        await admin.close()


async def _widen(admin: Any, topic: str, partitions: int) -> None:
    try:
        await admin.create_partitions({topic: NewPartitions(total_count=partitions)})
    except InvalidPartitionsError:
        return  # another process was faster
    except KafkaError as error:
        raise KafkaProblem(f"topic {topic} could not be widened to {partitions} partitions: {error}") from error


async def describe_topics(address: KafkaAddress, settings: Settings) -> tuple[TopicFound, ...]:
    """The topics as they are."""
    admin = address.admin()
    await connect(admin, address.bootstrap)
    try:
        return await _describe(admin, specs(settings))
    finally:
        await admin.close()


async def _describe(admin: Any, wanted: tuple[TopicSpec, ...]) -> tuple[TopicFound, ...]:
    known = set(await admin.list_topics())
    present = [spec.name for spec in wanted if spec.name in known]
    described = await admin.describe_topics(present) if present else []
    counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
    return tuple(TopicFound(spec, counts.get(spec.name, 0)) for spec in wanted)


async def _until_known(admin: Any, wanted: tuple[TopicSpec, ...]) -> tuple[TopicFound, ...]:
    """The controller has created them; brokers tell of them a moment later, a busy one many seconds."""
    try:
        async with asyncio.timeout(KNOWN_WITHIN_S):
            while True:
                found = await _describe(admin, wanted)
                if all(topic.partitions for topic in found):
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise KafkaProblem(
            f"the topics were created, and after {KNOWN_WITHIN_S:g} s the broker does not know them all.",
            "It may still be loading its partitions: try again.",
        ) from error


async def delete_topics(address: KafkaAddress, settings: Settings) -> None:
    """Delete all topics under the settings' prefix, with everything in them."""
    admin = address.admin()
    await connect(admin, address.bootstrap)
    try:
        await admin.delete_topics([spec.name for spec in specs(settings)])
    finally:
        await admin.close()


async def _create(admin: Any, missing: list[TopicSpec], replication: int) -> None:
    wanted = [NewTopic(spec.name, spec.partitions, replication, topic_configs=spec.config) for spec in missing]
    response = await admin.create_topics(wanted)
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            detail = next((text for text in rest if text), "")
            raise KafkaProblem(f"topic {name} could not be created: {error.__name__} {detail}")


def _refuse_mismatch(found: tuple[TopicFound, ...]) -> None:
    wrong = [topic for topic in found if topic.spec.keyed and topic.partitions not in (0, topic.spec.partitions)]
    if wrong:
        said = "; ".join(f"{t.spec.name} has {t.partitions}, settings say {t.spec.partitions}" for t in wrong)
        raise TopicsMismatchError(
            f"partition counts differ: {said}.",
            "Keys would move to other partitions. Set ELEXIRION_EVENTS_PARTITIONS to what exists, "
            "or choose another ELEXIRION_TOPIC_PREFIX.",
        )
