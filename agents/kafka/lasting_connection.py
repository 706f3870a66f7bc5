"""Connections whose end is told as one by whoever writes to them, on uvloop as on asyncio.

A transport of uvloop raises RuntimeError where it was closed already, which happens when a broker dies; aiokafka
expects OSError alone. The error ended the task that was writing. Where that was the one that refreshes a client's
metadata, all that waits for a refresh waited for ever, such as a member that looks for the coordinator of its group:
it stayed out of its group, in one of thirty deaths of the broker.
"""

from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class LastingConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka is untyped
    """As that of aiokafka, for whose clients it stands in."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """As that of aiokafka; raises KafkaConnectionError where the transport is closed."""
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} is closed") from error


# Clients make their connections by `create_conn`, which offers no other way.
aiokafka.conn.AIOKafkaConnection = LastingConnection
