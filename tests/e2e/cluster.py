"""Worker processes on a real broker: started, watched, frozen, killed, and always ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from aiokafka import AIOKafkaProducer
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.topic_admin import ensure_topics
from elexirion.agents.settings import Settings
from elexirion.events import catalog
from elexirion.events.codec import encode
from elexirion.events.commands import CancelRun, StartRun
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.record_model import RecordModel
from elexirion.events.topics import LANES, Topics

from tests.e2e.tape import Tape

CLI = (sys.executable, "-m", "elexirion.console.main")
READY_WITHIN_S = 40.0
LOG_LINES = 60


@dataclass(slots=True)
class WorkerProcess:
    """One process; its name is its worker id."""

    name: str
    roles: tuple[str, ...]
    lanes: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """kill -9 for it and for what it started: a worker that is supervised lives longer than its parent."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        self.kill()
        for one in started:
            with suppress(psutil.NoSuchProcess):
                one.kill()

    @property
    def alive(self) -> bool:
        """Whether it runs (a frozen one does)."""
        return self.process.poll() is None

    async def ended(self, within_s: float) -> int:
        """Its exit code, once it has ended by itself."""
        return await asyncio.to_thread(self.process.wait, within_s)

    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])


class Cluster:
    """Workers under one topic prefix; a context manager that ends them and shows their logs after a failure."""

    def __init__(self, bootstrap: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.bootstrap = bootstrap
        self.topics = Topics(f"e2e-{uuid.uuid4().hex[:8]}.")
        self.workers: dict[str, WorkerProcess] = {}
        self._folder = folder
        self._environment = dict(environment or {})

    def __enter__(self) -> Self:
        settings = Settings(topic_prefix=self.topics.prefix, _env_file=None)
        asyncio.run(ensure_topics(KafkaAddress(self.bootstrap), settings))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            if worker.alive:
                worker.kill_all()

    def start(
        self, name: str, roles: str = "lanes,orchestrator", lanes: str = ",".join(LANES),
        more: tuple[str, ...] = (), **settings: str,
    ) -> WorkerProcess:  # fmt: skip
        """Start a worker; `more` are further words of its command, `settings` environment variables."""
        command = ("worker", *more, "--roles", roles, *(("--lanes", lanes) if "lanes" in roles else ()))
        served = tuple(lanes.split(",")) if "lanes" in roles else ()
        return self._start(name, command, tuple(roles.split(",")), served, settings)

    def start_dev(self, name: str, **settings: str) -> WorkerProcess:
        """Start `elexirion dev`, which serves all roles and lanes."""
        return self._start(name, ("dev",), ("lanes", "orchestrator"), LANES, settings)

    def _start(
        self, name: str, command: tuple[str, ...], roles: tuple[str, ...], lanes: tuple[str, ...],
        settings: dict[str, str],
    ) -> WorkerProcess:  # fmt: skip
        assert name not in self.workers or not self.workers[name].alive, f"{name} is running"
        log = self._folder / f"{name}.log"
        environment = self.environment() | {"ELEXIRION_WORKER_ID": name} | settings
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*CLI, *command], cwd=self._folder, env=environment, stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.workers[name] = WorkerProcess(name, roles, lanes, log, process)
        return self.workers[name]

    async def ready(self, tape: Tape, *workers: WorkerProcess) -> None:
        """Wait until the workers beat, and the live ones share all partitions of each of their lanes."""
        names = [worker.name for worker in workers]
        await tape.until(lambda: self._serving(tape, workers), READY_WITHIN_S, f"workers {names} are ready")

    async def deciding(self, tape: Tape) -> None:
        """Wait until a run that needs no worker's lane has gone through each partition of the log."""
        ids = [f"warm-{uuid.uuid4().hex[:12]}" for _ in range(24)]
        async with self.publisher() as publisher:
            for run_id in ids:
                await publisher.start(run_id, NO_LANE)
        for run_id in ids:
            await tape.completed(run_id, READY_WITHIN_S)

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[Publisher]:
        """Publishes commands, as any client would."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, max_request_size=2 * 1024 * 1024)
        await producer.start()
        try:
            yield Publisher(producer, self.topics)
        finally:
            await producer.stop()

    @asynccontextmanager
    async def tape(self) -> AsyncIterator[Tape]:
        """A tape of all that this cluster writes; shows the workers' logs where the block fails."""
        try:
            async with Tape(self.bootstrap, self.topics) as tape:
                yield tape
        except BaseException:
            self.show_logs()
            raise

    async def show(self, run_id: str) -> dict[str, Any]:
        """What `elexirion show` says of the run."""
        return await self.call("show", run_id)

    async def call(self, *words: str) -> dict[str, Any]:
        """The document that a command prints with `--json`; it has to succeed."""
        code, out, err = await self.command_line(*words, "--json")
        assert code == 0, err
        said: dict[str, Any] = json.loads(out)
        return said

    async def command_line(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and error output of `elexirion` with these arguments."""
        process = await asyncio.create_subprocess_exec(
            *CLI, *arguments, cwd=self._folder, env=self.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    def show_logs(self) -> None:
        """Print the end of every log; pytest shows it with the failure."""
        for worker in self.workers.values():
            print(f"--- {worker.name} (exit code {worker.process.poll()})\n{worker.last_lines()}")

    def environment(self) -> dict[str, str]:
        """The environment of the cluster's processes: this cluster, and nothing set on this machine."""
        place = {"ELEXIRION_KAFKA": self.bootstrap, "ELEXIRION_TOPIC_PREFIX": self.topics.prefix}
        home = {"ELEXIRION_HOME": str(self._folder / "home"), "PYTHONUNBUFFERED": "1"}
        return _clean_environment() | place | home | self._environment

    def _serving(self, tape: Tape, workers: tuple[WorkerProcess, ...]) -> bool:
        beats = tape.heartbeats()
        for worker in workers:
            assert worker.alive, f"{worker.name} ended\n{worker.last_lines()}"
        if not all(worker.name in beats for worker in workers):
            return False
        alive = [worker for worker in self.workers.values() if worker.alive and worker.name in beats]
        read = {
            lane: [p for w in alive for o in beats[w.name].lanes if o.lane == lane for p in o.partitions]
            for worker in workers
            for lane in worker.lanes
        }
        return all(_is_whole(partitions) for partitions in read.values()) and all(
            o.partitions for w in workers for o in beats[w.name].lanes
        )


def _is_whole(partitions: list[int]) -> bool:
    """Whether the workers read all partitions of a lane, each once; a lane is widened for more workers."""
    least: int = Settings.model_fields["lane_partitions"].default
    return len(partitions) >= least and sorted(partitions) == list(range(len(partitions)))


@dataclass(frozen=True, slots=True)
class Publisher:
    """Writes to `commands` without any knowledge of partitions."""

    producer: AIOKafkaProducer
    topics: Topics

    async def start(self, run_id: str, pipeline: str | dict[str, Any], **more: Any) -> Any:
        """Publish StartRun; `more` are its other fields. Gives the record's place."""
        return await self.command(StartRun(pipeline=pipeline, **more), run_id, f"cmd-{run_id}")

    async def cancel(self, run_id: str) -> Any:
        """Publish CancelRun."""
        return await self.command(CancelRun(), run_id, f"cancel-{run_id}")

    async def command(self, data: RecordModel, run_id: str, command_id: str) -> Any:
        """Publish any command."""
        assert catalog.BY_MODEL[type(data)].name in catalog.COMMAND_NAMES
        record: Record = make_record(data, id=command_id, run_id=run_id, at=utc_now())
        return await self.raw(encode(record), run_id.encode())

    async def raw(self, value: bytes | None, key: bytes | None = None) -> Any:
        """Publish bytes."""
        return await self.producer.send_and_wait(self.topics.commands, value, key=key)


NO_LANE = """\
name: no lane
steps:
  - {name: answer, type: set_variable, variables: {answer: 42}}
"""


def _clean_environment() -> dict[str, str]:
    """This process's environment without settings and keys of its own."""
    keys = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
    return {k: value for k, value in os.environ.items() if not k.startswith("ELEXIRION_") and k not in keys}


def run_id(what: str) -> str:
    """A fresh run id that says what it is for."""
    return f"{what}-{uuid.uuid4().hex[:8]}"
