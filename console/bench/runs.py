"""Runs of ten no-op steps, one after another and many at once.

The machine is measured, not the observer: the reader asks the broker only every READ_EVERY_MS, and the time of a
run is what its records say, from the StartRun's `at` to the terminal's `at` (one clock, one machine). The caller
adds the last hop, after which a client has it.
"""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.reading import scan
from elexirion.agents.settings import Settings
from elexirion.events.codec import decode
from elexirion.events.commands import StartRun
from elexirion.events.envelope import make_record, utc_now
from elexirion.events.identifiers import new_command_id, new_run_id
from elexirion.events.topics import Topics

STEPS = 10
RUN_WITHIN_S = 60.0
READ_EVERY_MS = 50
TERMINALS = (b'{"type":"RunCompleted"', b'{"type":"RunFailed"')


def no_op_pipeline() -> dict[str, Any]:
    """Ten test_echo steps in sequence, each through the local lane."""
    steps = [{"name": f"step_{n}", "type": "test_echo", "value": n} for n in range(1, STEPS + 1)]
    return {"name": "bench_steps", "steps": steps}


class Runner:
    """Starts runs and sees them end."""

    def __init__(self, address: KafkaAddress, appender: Appender, topics: Topics) -> None:
        self._address = address
        self._appender = appender
        self._topics = topics
        self._consumer = address.consumer(
            topics.events, auto_offset_reset="latest", fetch_max_wait_ms=READ_EVERY_MS, fetch_min_bytes=2**30
        )
        self._waiting: dict[str, asyncio.Future[datetime]] = {}
        self.last_run_id = ""

    async def start(self) -> None:
        """Be at the end of every partition before anything is published."""
        await connect(self._consumer, self._address.bootstrap)
        for tp in self._consumer.assignment():
            await self._consumer.seek_to_end(tp)
            await self._consumer.position(tp)

    async def stop(self) -> None:
        """Close the consumer."""
        await self._consumer.stop()

    async def follow(self) -> None:
        """Read until cancelled."""
        while True:
            for messages in (await self._consumer.getmany(timeout_ms=500)).values():
                for message in messages:
                    value = message.value or b""
                    if value.startswith(TERMINALS):
                        self._ended(value)

    async def run_once(self) -> float:
        """Seconds from a StartRun to its RunCompleted."""
        run_id = self.last_run_id = new_run_id()
        ended = self._waiting[run_id] = asyncio.get_running_loop().create_future()
        began = utc_now()
        command = make_record(StartRun(pipeline=no_op_pipeline()), id=new_command_id(), run_id=run_id, at=began)
        await self._appender.keyed(self._topics.commands, command)
        at: datetime = await asyncio.wait_for(ended, RUN_WITHIN_S)
        return (at - began).total_seconds()

    async def run_many(self, count: int, in_flight: int) -> float:
        """Seconds for `count` runs with `in_flight` at once."""
        gate = asyncio.Semaphore(in_flight)

        async def one() -> None:
            async with gate:
                await self.run_once()

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return time.perf_counter() - began

    async def read_back(self, partitions: int, lane_partitions: int) -> Counter[str]:
        """How many records of each type the last run left on `events` and `steps.local`."""
        key, found = self.last_run_id.encode(), Counter[str]()
        for topic, count in ((self._topics.events, partitions), (self._topics.steps("local"), lane_partitions)):
            async for message in scan(self._address, topic, range(count)):
                if key in message.value:
                    found[decode(message.value).type] += 1
        return found

    def _ended(self, value: bytes) -> None:
        record = decode(value)
        ended = self._waiting.pop(record.run_id, None)
        if ended is None:
            return
        if record.type == "RunCompleted":
            ended.set_result(record.at)
        else:
            ended.set_exception(RuntimeError(f"a run of the benchmark failed: {record.raw}"))


async def start_runner(stack: AsyncExitStack, settings: Settings, address: KafkaAddress, topics: Topics) -> Runner:
    """A runner that follows its runs until the stack ends."""
    appender = Appender(address, topics, settings.events_partitions, "bench", lambda error: None)
    await appender.start()
    stack.push_async_callback(appender.stop)
    runner = Runner(address, appender, topics)
    await runner.start()
    stack.push_async_callback(runner.stop)
    following = asyncio.create_task(runner.follow(), name="bench reader")
    stack.callback(following.cancel)
    return runner
