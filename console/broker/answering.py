"""Whether a Kafka answers at an address: it speaks the protocol and names at least one live broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

_NOTHING: Mapping[str, Any] = {}


def answers(bootstrap: str, *, timeout_s: float, client_options: Mapping[str, Any] = _NOTHING) -> bool:
    """Ask `bootstrap` (`host:port[,host:port…]`) for its metadata, at most `timeout_s` long.

    `client_options` are aiokafka's (TLS, SASL). May be called with or without a running event loop; it
    blocks, so an async caller uses a thread.
    """
    # A loop of its own in a thread of its own: asyncio.run refuses to nest.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _answers_within(bootstrap, timeout_s, client_options)).result()


async def _answers_within(bootstrap: str, timeout_s: float, client_options: Mapping[str, Any]) -> bool:
    with suppress(TimeoutError, KafkaError, OSError):
        async with asyncio.timeout(timeout_s):
            # aiokafka writes an error to the log for each refused connection: ask the socket first.
            open_ones = await asyncio.gather(*map(_opens, bootstrap.split(",")))
            return any(open_ones) and await _names_a_broker(bootstrap, client_options)
    return False


async def _opens(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, ValueError, TimeoutError):
        return False
    writer.close()
    return True


async def _names_a_broker(bootstrap: str, client_options: Mapping[str, Any]) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=5000, **client_options)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    finally:
        await client.close()
