"""People who start runs of mixed pipelines, cancel, pause and resume them, and say some things twice."""

from collections.abc import Iterable
from datetime import timedelta
from random import Random
from typing import Any

from aiokafka import TopicPartition
from elexirion.events.codec import encode
from elexirion.events.commands import CancelRun, PauseRun, ResumeRun, StartRun
from elexirion.events.envelope import make_record
from elexirion.events.partitioner import partition_of
from elexirion.events.record_model import RecordModel
from elexirion.events.schedule import Schedule
from elexirion.events.topics import Topics

from tests.simulation.memory_log import Append, MemoryBroker
from tests.simulation.virtual_time import BEGINNING, VirtualLoop

RETRY = {"max_attempts": 3, "base_delay_ms": 200, "max_delay_ms": 1000}


def _claude(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "claude", "prompt": f"say {name}", "needs": list(needs), "retry": RETRY, **more}


def _echo(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "test_echo", "value": name, "needs": list(needs), "chunks": 2, **more}


FAN = [_claude("a"), _claude("b"), _echo("c"), _claude("joined", "a", "b", "c")]
CHAIN = [_claude("a", timeout=2500), _echo("b", "a"), _claude("c", "b", continue_on_error=True)]
LOOP = [
    {"name": "turns", "type": "for_loop", "over": [1, 2, 3], "parallel": True, "break_on_error": False,
     "steps": [_claude("inner"), _echo("after", "inner")]},
    _echo("last", "turns"),
]  # fmt: skip
BATCH = [
    {"name": "items", "type": "claude_batch", "items": ["x", "y", "z"],
     "step_template": {"type": "claude", "prompt": "{{ item }}", "retry": RETRY}},
    _echo("last", "items"),
]  # fmt: skip
WAITING = [
    {"name": "set", "type": "set_variable", "variables": {"x": 1}},
    {"name": "wait", "type": "delay", "seconds": 1},
    _echo("b", "wait", "set", condition="x == 1"),
    _echo("never", "set", condition="x == 2"),
]
PARENT = [_claude("a"), {"name": "child", "type": "pipeline", "needs": [], "pipeline": {
    "name": "inner", "steps": [_echo("one"), _claude("two")]}}, _echo("b", "a", "child")]  # fmt: skip
EACH_3_S = Schedule(cron="*/3 * * * * *")
LATER_EACH = 7
"""Each so-manieth run is asked for before its time."""
PIPELINES = (FAN, CHAIN, LOOP, BATCH, WAITING, PARENT)


class Users:
    """What is asked of a world; `started` are the runs that were asked for."""

    def __init__(
        self, loop: VirtualLoop, broker: MemoryBroker, topics: Topics, partitions: int, random: Random
    ) -> None:
        self.started: list[str] = []
        self.said = 0
        self._loop, self._broker, self._random = loop, broker, random
        self._topics, self._partitions = topics, partitions

    def begin(self, runs: int, within_s: float) -> None:
        """Put all that they will do on the clock."""
        random = self._random
        for n in range(runs):
            at_s, run_id = random.uniform(0.0, within_s), f"run-{n}"
            self.started.append(run_id)
            pipeline = {"name": f"p{n}", "steps": PIPELINES[n % len(PIPELINES)]}
            start_at = BEGINNING + timedelta(seconds=at_s + 3) if n % LATER_EACH == 0 else None
            self._at(at_s, run_id, StartRun(pipeline=pipeline, start_at=start_at))
            if random.random() < 0.15:
                self._at(at_s + random.uniform(0.2, 5), run_id, CancelRun(reason="changed my mind"))
            if random.random() < 0.2:
                paused_s = at_s + random.uniform(0.2, 3)
                self._at(paused_s, run_id, PauseRun())
                self._at(paused_s + random.uniform(0.5, 4), run_id, ResumeRun())
        self._at(random.uniform(0, within_s), "run-0", StartRun(pipeline={"name": "other", "steps": FAN}))
        self._at(random.uniform(0, within_s), "nobody", CancelRun())
        self._at(1.0, "ticking", StartRun(pipeline={"name": "tick", "steps": FAN}, schedule=EACH_3_S))
        self._loop.later(random.uniform(0, within_s), self._write, "run-x", b'{"type": "StartRun", "id": "broken')

    def begin_late(self, runs: int) -> None:
        """So many short runs more, now; none where it is zero or less."""
        for n in range(runs):
            self.ask(f"late-{n}", StartRun(pipeline={"name": "late", "steps": FAN}))

    def resume(self, run_ids: Iterable[str]) -> None:
        """Whatever is paused of these goes on."""
        for run_id in run_ids:
            self._at(0.0, run_id, ResumeRun())
        self._at(0.0, "ticking", CancelRun())

    def _at(self, at_s: float, run_id: str, command: RecordModel) -> None:
        """Say it then, and now and then a second time, under the same id or with the same id and other words."""
        self.said += 1
        id, random = f"cmd-{self.said}", self._random
        self._loop.later(at_s, self._say, run_id, command, id)
        if random.random() < 0.25:
            self._loop.later(at_s + random.uniform(0.01, 8), self._say, run_id, command, id)
        elif random.random() < 0.05:
            self._loop.later(at_s + random.uniform(0.01, 8), self._say, run_id, CancelRun(reason="other"), id)

    def ask(self, run_id: str, command: RecordModel) -> None:
        """Say one thing now, once."""
        self.started.append(run_id)
        self.said += 1
        self._say(run_id, command, f"cmd-{self.said}")

    def _say(self, run_id: str, command: RecordModel, id: str) -> None:
        at = BEGINNING + timedelta(seconds=self._loop.time())
        self._write(run_id, encode(make_record(command, id=id, run_id=run_id, at=at)))

    def _write(self, run_id: str, value: bytes) -> None:
        """On the right partition, mostly: other clients place keys elsewhere."""
        partition = partition_of(run_id, self._partitions)
        if self._random.random() < 0.1:
            partition = self._random.randrange(self._partitions)
        at = TopicPartition(self._topics.commands, partition)
        self._broker.later(0.001, self._broker.write, Append(at, run_id.encode(), value, ()))
