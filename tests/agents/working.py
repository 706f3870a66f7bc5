"""A worker's executor on a stage: real reports over a producer that keeps what it is given.

The producer stands where aiokafka's would; every other part is the real one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from aiokafka.errors import KafkaError
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.errors import ProducerFatalError
from elexirion.agents.providers.port import Provider
from elexirion.agents.steps.port import Outcome, StepIO, StepRunner, Work
from elexirion.agents.worker.execution import Tools
from elexirion.agents.worker.executor import Executor
from elexirion.agents.worker.reports import Reports
from elexirion.events.codec import decode
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.step import ExecuteStep
from elexirion.events.topics import Topics
from elexirion.events.values import Inline, Value

WORKER = "w1.aaaa"
TOPICS = Topics("t.")


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Let the loop work until the condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # conditions of real code, which sets no event for a test
            await asyncio.sleep(0.001)


@dataclass
class Broker:
    """What was sent. `refuse` gives the error of a record, or None where it is acknowledged; `silent`: never."""

    refuse: Callable[[Record], KafkaError | None] = lambda record: None
    silent: bool = False
    sent: list[Record] = field(default_factory=list)
    at_once: Callable[[Record], KafkaError | None] = lambda record: None
    unanswered: "list[asyncio.Future[Any]]" = field(default_factory=list)

    def producer(self) -> "Broker":
        """As KafkaAddress gives one."""
        return self

    async def send(self, topic: str, value: bytes, **_: Any) -> "asyncio.Future[Any]":
        """As AIOKafkaProducer.send."""
        record = decode(value)
        early = self.at_once(record)
        if early:
            raise early
        self.sent.append(record)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        error = self.refuse(record)
        if error:
            answer.set_exception(error)
        elif self.silent:
            self.unanswered.append(answer)
        else:
            answer.set_result(None)
        return answer

    def answer(self) -> None:
        """Acknowledge what waits, and all that comes."""
        self.silent = False
        for waiting in self.unanswered:
            if not waiting.done():
                waiting.set_result(None)

    def types(self) -> list[str]:
        """The types of all records sent."""
        return [record.type for record in self.sent]

    def of(self, type_name: str) -> list[Record]:
        """The records of one type."""
        return [record for record in self.sent if record.type == type_name]


def reports_over(broker: Broker, fatal: Callable[[ProducerFatalError], None] = lambda error: None) -> Reports:
    """Real reports that end at this broker."""
    return Reports(Appender(cast(KafkaAddress, broker), TOPICS, 8, "test", fatal))


def execute(n: int = 1, step: str = "s", incarnation: str = WORKER, **fields: Any) -> Record:
    """An ExecuteStep as it comes from a lane."""
    said: dict[str, Any] = {
        "execution_id": f"run-1/{step}#{n}", "incarnation": incarnation, "step": step, "step_type": "probe",
        "lane": "local", "attempt": 1, "input": Inline(value={"say": "hello"}),
    }  # fmt: skip
    data = ExecuteStep(**{**said, **fields})
    return make_record(data, id=f"{data.execution_id}/execute", run_id="run-1", at=utc_now(), correlation_id="c")


@dataclass
class Probe:
    """A step type that waits at a gate; counts who is in it."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    started: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0
    cancelled: list[str] = field(default_factory=list)

    async def __call__(self, work: Work, io: StepIO) -> Outcome:
        self.started.append(work.execution_id)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(work.execution_id)
            raise
        finally:
            self.running -= 1
        return Outcome({"said": work.config})


async def load(value: Value) -> object:
    """Values are inline here."""
    assert isinstance(value, Inline)
    return value.value


async def store(run_id: str, value: object) -> Value:
    """Values are inline here."""
    return Inline(value=value)


def tools_of(broker: Broker, runner: StepRunner, provider: Provider | None = None, **fields: Any) -> Tools:
    """One step type, `probe`."""
    return Tools(reports_over(broker), {"probe": runner}, lambda lane, offline: provider, load, store, **fields)


def executor_of(
    broker: Broker,
    runner: StepRunner,
    slots: int = 10,
    may_start: Callable[[], bool] = lambda: True,
    **fields: Any,
) -> Executor:
    """An executor with one step type, `probe`."""
    return Executor(WORKER, tools_of(broker, runner, **fields), lambda lane: slots, may_start)
