"""Faust's Kafka transport with its consumer in the event loop of its app, not in a thread of its own.

Faust runs each consumer in a thread with a loop of its own, so that every message crosses two loops and the
interpreter lock twice (docs/adr/0005-faust-consumer-in-the-loop.md). A worker's loop does nothing but wait for the
network, and its own heartbeat tells when it is stuck, so the thread buys nothing here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from elexirion.agents.kafka.group_member import will_leave
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode.utils.futures import maybe_async


class SameLoopConsumerThread(AIOKafkaConsumerThread):
    """The consumer's service, started in the loop that asks for it; calls to it are plain calls."""

    def __init__(self, consumer: Any, *, loop: asyncio.AbstractEventLoop | None = None, **more: Any) -> None:
        own = loop or asyncio.get_running_loop()
        super().__init__(consumer, loop=own, thread_loop=own, **more)

    async def start(self) -> None:
        """Start here."""
        self._thread_started.set()
        await self._default_start()
        await self.on_thread_started()

    async def stop(self) -> None:
        """Stop here: what the thread would do at its end."""
        if not self._started.is_set() or self._stopped.is_set():
            return
        self._stopped.set()
        will_leave(self._consumer)
        await self.on_stop()
        await self.on_thread_stop()
        await self._default_stop_children()
        await self._default_stop_futures()
        await self._default_stop_exit_stacks()
        self._shutdown.set()

    async def call_thread(self, fun: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return await maybe_async(fun(*args, **kwargs))


class SameLoopConsumer(Consumer):
    """A consumer that lives in its app's loop."""

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return SameLoopConsumerThread(self, loop=self.loop, beacon=self.beacon)


class SameLoopTransport(Transport):
    """The aiokafka transport with SameLoopConsumer."""

    Consumer = SameLoopConsumer
