"""`elexirion bench idle`: what a worker costs that has nothing to do, and how soon it answers then.

CPU time is counted, not wall time, so that other programs of the machine hardly change it. The broker is not counted.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.topic_admin import delete_topics, ensure_topics
from elexirion.agents.settings import Settings
from elexirion.console.bench.processes import Started, start_process, until_ready
from elexirion.console.bench.runs import Runner, start_runner
from elexirion.events.topics import Topics

SETTLE_S = 3.0
AFTER_THE_RUN_S = 1.0


@dataclass(frozen=True, slots=True)
class IdleResult:
    """Percent of one core over `seconds` without runs; milliseconds of a ten-step run in the midst of them."""

    idle_cpu_percent: float
    run_ms: float
    seconds: float

    def as_dict(self) -> dict[str, float]:
        """For `--json`."""
        return {key: round(value, 3) for key, value in asdict(self).items()}


async def bench_idle(settings: Settings, bootstrap: str, seconds: float, say: Callable[[str], None]) -> IdleResult:
    """Measure a worker with all roles on topics of its own; it ends with the measurement."""
    own = settings.model_copy(update={"topic_prefix": f"bench-{uuid.uuid4().hex[:8]}.", "kafka": bootstrap})
    async with AsyncExitStack() as stack:
        say("starting a worker with all roles")
        worker, runner = await _set_up(stack, own, bootstrap)
        await runner.run_once()
        await asyncio.sleep(SETTLE_S)
        say(f"{seconds:g} s without runs, and one run at a moment drawn by lot")
        return await _measure(worker, runner, seconds)


async def _set_up(stack: AsyncExitStack, settings: Settings, bootstrap: str) -> tuple[Started, Runner]:
    address, topics = KafkaAddress(bootstrap, "elexirion-bench"), Topics(settings.topic_prefix)
    await ensure_topics(address, settings)
    stack.push_async_callback(delete_topics, address, settings)
    worker = await start_process(stack, bootstrap, topics.prefix)
    await until_ready(address, topics, [worker])
    return worker, await start_runner(stack, settings, address, topics)


async def _measure(worker: Started, runner: Runner, seconds: float) -> IdleResult:
    """The run is in the midst of the idle time, but its own CPU is no part of it."""
    before = random.uniform(0.2, 0.8) * seconds
    used, idle = await _stretch(worker, before)
    run_s = await runner.run_once()
    await asyncio.sleep(AFTER_THE_RUN_S)
    used_after, idle_after = await _stretch(worker, seconds - before)
    whole = idle + idle_after
    return IdleResult(idle_cpu_percent=(used + used_after) / whole * 100, run_ms=run_s * 1000, seconds=whole)


async def _stretch(worker: Started, seconds: float) -> tuple[float, float]:
    """Seconds of CPU, and seconds that really passed."""
    cpu_s, began = worker.cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    return worker.cpu_s() - cpu_s, time.monotonic() - began
