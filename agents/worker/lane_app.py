"""A lane as a Faust application: one app, one consumer group, one agent. It acks what is registered.

One app per lane, since a rebalance stops all agents of an app. The agent body never raises: Faust would lose
the message. Undecodable values would be acked and dropped by Faust, so values are raw and decoded here.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from elexirion.agents import failpoints
from elexirion.agents.kafka.connection import unreachable
from elexirion.agents.kafka.group_member import beat_s
from elexirion.agents.settings import Settings
from elexirion.agents.worker.same_loop_transport import SameLoopTransport
from elexirion.events.codec import UndecodableError, decode
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.events.topics import Topics

log = structlog.get_logger(__name__)

STOP_S = 3.0
METADATA_MS = 10_000
"""How soon a lane that was widened is noticed."""
DATA_FOLDER = Path(tempfile.gettempdir()) / "elexirion-faust"
"""Faust makes a folder for tables, of which there are none; it would stand where the worker was started."""

AGENT_NAMES: dict[str, str] = {
    "claude": "elexirion.steps.claude",
    "gemini": "elexirion.steps.gemini",
    "openai": "elexirion.steps.openai",
    "local": "elexirion.steps.local",
}


@dataclass(slots=True)
class Lane:
    """A running lane; `partitions` is what its consumer reads now."""

    name: str
    app: faust.App
    bootstrap: str
    partitions: tuple[int, ...] = ()
    changed: Callable[[], None] = field(default=lambda: None)

    async def start(self) -> None:
        """Join the lane's group and read; raises BrokerUnreachableError."""
        self.app.finalize()
        try:
            await self.app.start()
        except KafkaError as error:
            raise unreachable(self.bootstrap, error) from error

    async def stop(self) -> None:
        """Leave the group; not longer than STOP_S, as Faust waits for a broker that is away."""
        await asyncio.wait({asyncio.create_task(self.app.stop(), name=f"stop {self.name}")}, timeout=STOP_S)


def create_lane(
    lane: str,
    bootstrap: str,
    settings: Settings,
    take: Callable[[Record], None],
    bury: Callable[[DeadLetter], Awaitable[None]],
    changed: Callable[[], None],
) -> Lane:
    """A lane that gives each decoded command to `take` and what it cannot read to `bury`."""
    topics = Topics(settings.topic_prefix)
    app = _app(topics.steps(lane), bootstrap, settings)
    topic = app.topic(topics.steps(lane), value_type=bytes, value_serializer="raw", key_type=bytes,
                      key_serializer="raw", internal=False)  # fmt: skip

    @app.agent(topic, name=AGENT_NAMES[lane], concurrency=1)
    async def steps(stream: Any) -> None:
        async for event in stream.events():
            await _deliver(event, take, bury)

    running = Lane(lane, app, bootstrap, changed=changed)
    _follow_assignment(running, topics.steps(lane))
    return running


async def _deliver(event: Any, take: Callable[[Record], None], bury: Callable[[DeadLetter], Awaitable[None]]) -> None:
    message = event.message
    try:
        record = decode(message.value)
        failpoints.hit("execution.received", record.run_id)
        take(record)
    except UndecodableError as error:
        await bury(DeadLetter(message.topic, message.partition, message.offset, str(error), message.key,
                              message.value or b""))  # fmt: skip
    except Exception as error:  # noqa: BLE001  # an agent that raises loses its message
        log.error("step command not taken", topic=message.topic, offset=message.offset, error=repr(error))


def _app(id: str, bootstrap: str, settings: Settings) -> faust.App:
    session_s = settings.group_session_timeout_s
    app = faust.App(
        id, broker=f"kafka://{bootstrap}", autodiscover=False, web_enabled=False, topic_disable_leader=True,
        topic_allow_declare=False, stream_wait_empty=False, stream_buffer_maxsize=64,
        stream_processing_timeout=900, broker_commit_livelock_soft_timeout=900, broker_commit_interval=0.5,
        broker_session_timeout=session_s, broker_heartbeat_interval=beat_s(session_s),
        broker_rebalance_timeout=15, consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.worker_id, consumer_metadata_max_age_ms=METADATA_MS, producer_linger=0,
        store="memory://", datadir=DATA_FOLDER,
        logging_config={"version": 1, "disable_existing_loggers": False}, loghandlers=[],
    )  # fmt: skip
    app.transport = SameLoopTransport(app.conf.broker, app)
    return app


def _follow_assignment(lane: Lane, topic: str) -> None:
    @lane.app.on_partitions_assigned.connect(weak=False)
    async def assigned(app: Any, assigned: Any, **_: Any) -> None:
        lane.partitions = tuple(sorted(tp.partition for tp in assigned if tp.topic == topic))
        lane.changed()

    @lane.app.on_partitions_revoked.connect(weak=False)
    async def revoked(app: Any, revoked: Any, **_: Any) -> None:
        lane.partitions = ()
        lane.changed()
