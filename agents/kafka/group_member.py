"""Consumers that are the same member of their group in each life of their worker (KIP-345, static membership).

A worker that is killed and started again has its partitions at once, and nobody else's are moved. One that is told to
stop leaves, so that others take over at once: aiokafka never lets a static member leave, and its partitions would be
nobody's until the session is over.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer

NEWS_WITHIN_S = 1.5
"""A member learns with its heartbeat that another one came or left, however long the session is."""


def beat_s(session_timeout_s: float) -> float:
    """Seconds between two heartbeats of a member with such a session."""
    return min(session_timeout_s / 4, NEWS_WITHIN_S)


def group_times(session_timeout_s: float) -> dict[str, int]:
    """The settings of a member whose partitions go to others when it has been silent for so long."""
    return {
        "session_timeout_ms": int(session_timeout_s * 1000),
        "heartbeat_interval_ms": int(beat_s(session_timeout_s) * 1000),
    }


class GroupMember(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped
    """A consumer of a group; `group_instance_id` is None for one that is a new member each time."""

    async def stop(self) -> None:
        """Leave the group and close."""
        will_leave(self)
        await super().stop()


def will_leave(consumer: Any) -> None:
    """Let this consumer, of whatever kind, leave its group when it is stopped."""
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is not None:
        coordinator._group_instance_id = None  # the only thing that keeps it from leaving
