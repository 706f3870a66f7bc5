"""The simulated processes: real workers, started, killed, stopped and started again."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from elexirion.agents import evaluation_child
from elexirion.agents.evaluation import BoundedEvaluator, _value
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.settings import Settings
from elexirion.agents.worker.lane_app import _deliver
from elexirion.agents.worker.process import Role, Surroundings, Worker
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.events.topics import Topics

from tests.simulation.ledger import Ledger
from tests.simulation.memory_clients import MemoryAddress, address
from tests.simulation.memory_log import MemoryBroker
from tests.simulation.virtual_time import PROCESS, Process, VirtualLoop

SESSION_S = 1.5
"""For so long a group waits for a member that says nothing."""


class InlineEvaluator(BoundedEvaluator):
    """Evaluates in this very process: what is simulated here has no endless templates."""

    async def start(self, *, warm: bool = False) -> None:
        """Nothing to start."""

    async def _asked(self, request: Mapping[str, Any], what: str) -> Any:
        return _value(json.loads(evaluation_child._encoded(request)), what)


class MemoryLane(ConsumerRebalanceListener):  # type: ignore[misc]
    """A lane as Faust serves it: read in a group, taken one by one, committed afterwards."""

    def __init__(
        self, kafka: KafkaAddress, name: str, settings: Settings, take: Callable[[Record], None],
        bury: Callable[[DeadLetter], Awaitable[None]], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self.name = name
        self.partitions: tuple[int, ...] = ()
        self._topic = Topics(settings.topic_prefix).steps(name)
        self._take, self._bury, self._changed = take, bury, changed
        self._consumer = kafka.consumer(group=self._topic, auto_offset_reset="earliest")
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Join the lane's group and read."""
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Leave the group."""
        if self._reading:
            self._reading.cancel()
        await self._consumer.stop()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.partitions = ()
        self._changed()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.partitions = tuple(sorted(at.partition for at in assigned))
        self._changed()

    async def _read(self) -> None:
        while True:
            for at, messages in (await self._consumer.getmany(timeout_ms=2000)).items():
                for message in messages:
                    await _deliver(SimpleNamespace(message=message), self._take, self._bury)
                with suppress(KafkaError):
                    await self._consumer.commit({at: messages[-1].offset + 1})


class Machine:
    """A place on which one process lives after another; `life` is the present one."""

    def __init__(
        self, name: str, roles: frozenset[Role], settings: Settings, loop: VirtualLoop, broker: MemoryBroker,
        ledger: Ledger, random: Random,
    ) -> None:  # fmt: skip
        self.name = name
        self.lives = 0
        self.ends: list[str] = []
        self._roles, self._settings, self._loop, self._broker = roles, settings, loop, broker
        self._ledger, self._random = ledger, random
        self.life = Process("")
        self._address: MemoryAddress = address(broker)

    @property
    def alive(self) -> bool:
        """Whether a process lives here."""
        return self.lives > 0 and not self.life.dead

    def start(self) -> None:
        """The next life begins."""
        self.lives += 1
        self.life = Process(f"{self.name}.{self.lives}", self._random.uniform(-0.3, 0.3))
        self._address = address(self._broker)
        self.life.gone = partial(self._loop.later, 0.0, self._left, self.life)
        task = self._loop.spawn(self.life, self._live)
        life = self.life
        task.add_done_callback(lambda done: self._ended(life, done), context=self._loop.world)

    async def _live(self) -> None:
        settings = self._settings.model_copy(update={"worker_id": self.name})
        around = Surroundings(
            kafka=lambda client_id: replace(self._address, client_id=client_id),
            providers=self._ledger.providers, lane=self._lane, evaluator=InlineEvaluator,
        )  # fmt: skip
        lanes = ("claude", "local") if "lanes" in self._roles else ()
        worker, process = Worker(settings, around, self._roles, lanes), PROCESS.get()
        assert process is not None
        process.incarnation = worker.incarnation
        await worker.run()

    def _lane(self, name: str, bootstrap: str, settings: Settings, take: Any, bury: Any, changed: Any) -> MemoryLane:
        return MemoryLane(self._address, name, settings, take, bury, changed)

    def _ended(self, life: Process, done: "asyncio.Task[None]") -> None:
        """It ended by itself: because it was asked to, or because it crashed."""
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self.ends.append(f"{life.name} ended: {error!r}")
        life.dead = True
        self._left(life)

    def _left(self, life: Process) -> None:
        """Its groups hear of its end at once, and somebody starts it again."""
        self._address.listed.expel()
        self._loop.later(self._random.uniform(0.2, 1.0), self._again, life)

    def _again(self, life: Process) -> None:
        if self.life is life:
            self.start()

    # -- what happens to it

    def kill(self, for_s: float) -> None:
        """As `kill -9`; its groups notice later, and what it was writing may arrive or not."""
        life, known = self.life, self._address
        known.listed.cut(self._random.choice((0.0, 0.003, 0.02, 5.0)))
        self._loop.kill(life)
        self._loop.later(SESSION_S, known.listed.expel)
        self._loop.later(for_s, self._again, life)

    def stop(self, for_s: float) -> None:
        """As SIGSTOP and, later, SIGCONT: a zombie, once its groups have given its partitions away."""
        life, known = self.life, self._address
        self._loop.stop_process(life)
        if for_s > SESSION_S:
            self._loop.later(SESSION_S, lambda: life.dead or known.listed.expel())
            self._loop.later(for_s + self._random.uniform(0.05, 2.0), lambda: life.dead or known.listed.rejoin())
        self._loop.later(for_s, self._continue, life)

    def _continue(self, life: Process) -> None:
        if not life.dead and life.stopped:
            self._loop.continue_process(life)

    def terminate(self) -> None:
        """As SIGTERM: it drains and ends."""
        for call in [self.life.signals.get(signal.SIGTERM)]:
            if call:
                call()

    def heal(self) -> None:
        """It goes on, with a clock that is right."""
        if not self.alive:
            self._again(self.life)
        self._continue(self.life)
        self.life.wall_offset_s = 0.0
