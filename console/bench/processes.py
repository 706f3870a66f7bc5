"""The processes under measurement: an orchestrator and a worker of the local lane, apart from each other."""

import asyncio
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import open_reader
from elexirion.events.codec import decode
from elexirion.events.topics import Topics
from elexirion.events.worker import WorkerHeartbeat

READY_WITHIN_S = 40.0
WORKER = (sys.executable, "-m", "elexirion.console.main", "worker")


@dataclass(frozen=True, slots=True)
class Started:
    """A running process; `log` is the file it writes to."""

    process: asyncio.subprocess.Process
    log: Path

    def rss_mb(self) -> float:
        """Resident memory in MiB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    def cpu_s(self) -> float:
        """Seconds of CPU that it and its children have used so far, in user and kernel."""
        process = psutil.Process(self.process.pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return sum(float(each.user + each.system) for each in times)


async def start_process(stack: AsyncExitStack, bootstrap: str, prefix: str, *arguments: str) -> Started:
    """Start `elexirion worker …` under the prefix; it ends with the stack."""
    output, log = tempfile.mkstemp(prefix="elexirion-bench-", suffix=".log")
    environment = os.environ | {"ELEXIRION_KAFKA": bootstrap, "ELEXIRION_TOPIC_PREFIX": prefix}
    process = await asyncio.create_subprocess_exec(
        *WORKER, *arguments, env=environment, stdout=output, stderr=output, start_new_session=True
    )
    os.close(output)
    stack.push_async_callback(_end, process)
    return Started(process, Path(log))


async def until_ready(address: KafkaAddress, topics: Topics, started: list[Started]) -> None:
    """Wait until a heartbeat offers partitions of the local lane; raises RuntimeError with the log's end."""
    consumer = await open_reader(address, topics.workers, [0])
    try:
        await consumer.seek_to_beginning(*consumer.assignment())
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            _check_alive(started)
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                if any(_offers_local(message.value or b"{}") for message in messages):
                    return
    finally:
        await consumer.stop()
    raise RuntimeError(f"no worker became ready within {READY_WITHIN_S:g} s:\n{_tail(started[-1].log)}")


def _offers_local(value: bytes) -> bool:
    data = decode(value).data
    return isinstance(data, WorkerHeartbeat) and any(offer.lane == "local" and offer.partitions for offer in data.lanes)


def _check_alive(started: list[Started]) -> None:
    for one in started:
        if one.process.returncode is not None:
            raise RuntimeError(f"a process ended with {one.process.returncode}:\n{_tail(one.log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
