"""Kafka clients with settings that lose nothing (aiokafka's defaults do)."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from elexirion.agents.kafka import lasting_connection  # noqa: F401  # for every client, those of Faust as well
from elexirion.agents.kafka.errors import BrokerUnreachableError
from elexirion.agents.kafka.group_member import GroupMember
from elexirion.agents.kafka.producer import LastingProducer
from elexirion.events.topics import MAX_RECORD_BYTES

CONNECT_TIMEOUT_S = 10.0
FETCH_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where the broker is; `client_id` names this process to it.

    `member` is the id under which its consumers are members of their groups, in this life and the next ones.
    """

    bootstrap: str
    client_id: str = "elexirion"
    member: str | None = None

    def producer(self) -> AIOKafkaProducer:
        """An idempotent producer that acknowledges after all replicas, and keeps what it took until then."""
        return LastingProducer(
            bootstrap_servers=self.bootstrap, client_id=self.client_id, linger_ms=0,
            max_request_size=MAX_RECORD_BYTES, retry_backoff_ms=50, request_timeout_ms=10_000,
        )  # fmt: skip

    def consumer(self, *topics: str, group: str | None = None, **more: Any) -> AIOKafkaConsumer:
        """A consumer that never commits or resets by itself."""
        safe: dict[str, Any] = {
            "enable_auto_commit": False, "auto_offset_reset": "none", "max_partition_fetch_bytes": FETCH_BYTES,
            "fetch_max_bytes": 4 * FETCH_BYTES, "fetch_max_wait_ms": 500, "retry_backoff_ms": 50,
            "metadata_max_age_ms": 30_000,
        }  # fmt: skip
        if group is not None:
            more = {"group_id": group, "group_instance_id": self.member} | more
        kind = AIOKafkaConsumer if group is None else GroupMember
        return kind(*topics, bootstrap_servers=self.bootstrap, client_id=self.client_id, **(safe | more))

    def admin(self) -> AIOKafkaAdminClient:
        """A client for topics."""
        return AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, client_id=self.client_id)


async def connect(client: Any, bootstrap: str) -> None:
    """Start a producer, consumer or admin client; raises BrokerUnreachableError within CONNECT_TIMEOUT_S."""
    try:
        await asyncio.wait_for(client.start(), CONNECT_TIMEOUT_S)
    except (KafkaError, TimeoutError, OSError) as error:
        await _abandon(client)
        raise unreachable(bootstrap, error) from error


def unreachable(bootstrap: str, error: Exception) -> BrokerUnreachableError:
    """What it means that a client could not start."""
    return BrokerUnreachableError(
        f"no Kafka broker answers at {bootstrap} ({type(error).__name__}).",
        "Check ELEXIRION_KAFKA, or start one with `elexirion broker start`.",
    )


async def _abandon(client: Any) -> None:
    close = getattr(client, "stop", None) or client.close
    try:
        await asyncio.wait_for(close(), 2)
    except Exception:  # noqa: BLE001  # it never started; what matters was reported already
        return
