"""A connection that is closed under whoever writes to it is a lost connection, and no error of another kind."""

import asyncio
from typing import Any

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from elexirion.agents.kafka.connection import KafkaAddress


def test_writing_to_a_closed_transport_loses_the_connection(kafka: str) -> None:
    uvloop.run(_write_to_a_closed_transport(kafka))


def test_a_client_refreshes_its_metadata_after_its_transport_was_closed_unseen(kafka: str) -> None:
    uvloop.run(_refresh_over_a_closed_transport(kafka))


async def _write_to_a_closed_transport(kafka: str) -> None:
    host, _, port = kafka.partition(":")
    connection = await create_conn(host, int(port))
    await _close(connection)
    with pytest.raises(KafkaConnectionError):
        await connection.send(MetadataRequest([]))
    assert not connection.connected()


async def _refresh_over_a_closed_transport(kafka: str) -> None:
    consumer = KafkaAddress(kafka).consumer()
    await consumer.start()
    try:
        client = consumer._client
        await client.force_metadata_update()
        [connection] = client._conns.values()
        await _close(connection)
        await asyncio.wait_for(client.force_metadata_update(), 10)  # finds the connection lost
        assert await asyncio.wait_for(client.force_metadata_update(), 10)
    finally:
        await consumer.stop()


async def _close(connection: Any) -> None:
    """As a broker's death does it, and before the one who reads from the connection hears of it."""
    connection._reader.feed_eof = connection._reader.set_exception = lambda *_: None
    connection._writer.transport.abort()
    await asyncio.sleep(0.05)
