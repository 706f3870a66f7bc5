"""A whole run in memory: decided by the real plans, carried out by the real step types, with no broker between.

Time passes by itself where a run waits for it. Providers are the offline ones, and note what they are asked.
"""

import asyncio
import json
import textwrap
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from elexirion.agents.decide import Facts, decide
from elexirion.agents.dispatch import Placement
from elexirion.agents.evaluation import BoundedEvaluator, EvaluationLimits
from elexirion.agents.orchestrator.command_duty import CommandDuty
from elexirion.agents.orchestrator.desk import RunDesk
from elexirion.agents.orchestrator.dispatcher import execute_record
from elexirion.agents.orchestrator.open_executions import OpenExecution
from elexirion.agents.orchestrator.partitions import Owned, Partitions
from elexirion.agents.orchestrator.plans import Plans
from elexirion.agents.orchestrator.run_unit import ContextService
from elexirion.agents.orchestrator.session_log import SessionLog
from elexirion.agents.providers.offline import OfflineProvider
from elexirion.agents.providers.port import ProviderCall, ProviderOutput
from elexirion.agents.settings import Settings
from elexirion.agents.steps.registry import runners
from elexirion.agents.worker.execution import Tools, attempt
from elexirion.events import step
from elexirion.events.commands import ChildEnded, RunSource
from elexirion.events.envelope import Record
from elexirion.events.topics import LANES
from elexirion.events.values import Inline
from elexirion.events.worker import LaneOffer, WorkerHeartbeat
from elexirion.pipelines.inputs import with_defaults
from elexirion.pipelines.loader import load
from elexirion.projections.fleet import Fleet, heartbeat
from elexirion.projections.run_state import Child

from tests.agents.working import Broker, reports_over
from tests.agents.working import load as load_value
from tests.agents.working import store as store_value
from tests.projections.partition_log import AUTHOR, RUN, WORKER, RunLog

WITHIN_S = 30.0


class Offline(OfflineProvider):
    """The offline provider, that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(100_000)
        self.asked: list[ProviderCall] = []

    def execute(self, call: ProviderCall) -> AsyncGenerator[ProviderOutput, None]:
        self.asked.append(call)
        return super().execute(call)


class Log(Broker):
    """A broker that tells of no partitions."""

    client = SimpleNamespace(cluster=SimpleNamespace(partitions_for_topic=lambda topic: None))


@dataclass
class House:
    """What all runs of a test share; relative files start at `folder`."""

    evaluator: BoundedEvaluator
    folder: Path
    provider: Offline = field(default_factory=Offline)

    async def run(self, text: str, **inputs: Any) -> "MemoryRun":
        """The run of a pipeline at its end."""
        loaded = load(textwrap.dedent(text), "p.yaml")
        begun = MemoryRun(self, loaded.definition, with_defaults(loaded.pipeline, inputs), loaded.sha256)
        await begun.through()
        return begun


@asynccontextmanager
async def house_in(folder: Path) -> AsyncGenerator[House, None]:
    """A house whose evaluator runs."""
    evaluator = BoundedEvaluator(limits=EvaluationLimits(wall_s=60))
    await evaluator.start()
    try:
        yield House(evaluator, folder)
    finally:
        await evaluator.stop()


class MemoryRun(RunLog):
    """One run; also the desk of its commands."""

    def __init__(
        self, house: House, definition: dict[str, Any], inputs: dict[str, Any], sha256: str, run_id: str = RUN
    ) -> None:
        self.house = house
        settings = Settings(trust_run_folders=True)
        source = RunSource(cwd=str(house.folder), folder=str(house.folder))
        super().__init__(
            run_id=run_id, definition=definition, definition_sha256=sha256, inputs=inputs, source=source, offline=True
        )
        self.broker = Log()
        self.tools = Tools(
            reports_over(self.broker), runners(settings), self._provider, load_value, store_value,
            trusted_folders=True,
        )  # fmt: skip
        self.plans = Plans(settings, house.evaluator, load_value, store_value, cast(SessionLog, None))
        self.context = ContextService(run_id, self.plans)
        self.sessions = SimpleNamespace(publish=self._published)

    # -- what there is at the end

    def value(self, path: str) -> Any:
        """The result of a step that completed."""
        known = self.state.steps[path]
        assert known.status == "completed", f"{path} is {known.status}: {known.failure or known.skip_reason}"
        return cast(Inline, known.result).value

    def failure(self, path: str) -> tuple[str, str]:
        """Kind and message of the failure of a step."""
        known = self.state.steps[path]
        assert known.failure is not None, f"{path} is {known.status}"
        return known.failure.kind, known.failure.message

    @property
    def calls(self) -> list[ProviderCall]:
        """What providers were asked."""
        return self.house.provider.asked

    def chunks(self) -> list[str]:
        """All text that was streamed."""
        return [record.data.text for record in self.broker.sent if isinstance(record.data, step.StepChunk)]

    # -- how it gets there

    async def through(self) -> None:
        """Decide and work until the run ends."""
        async with asyncio.timeout(WITHIN_S):
            while not self.state.ended:
                acted = await self._decided() or await self._worked() or await self._child_ended()
                assert acted or self._waited(), f"nothing happens any more: {self.state.steps}"

    async def _decided(self) -> bool:
        facts, _, _ = await self.context.answered(self.state, self.facts(self.state))
        records = decide(self.state, self.plans.plan(self.state), facts)
        for record in records:
            assert self.land(record) is None, record
        return bool(records)

    async def _worked(self) -> bool:
        opened = self.state.open_executions()
        for execution in opened:
            cause = execute_record(self.state, cast(OpenExecution, execution))
            assert isinstance(cause.data, step.ExecuteStep)
            already = len(self.broker.sent)
            terminal = await attempt(cause, cause.data, self.tools)
            said = [record for record in self.broker.sent[already:] if not isinstance(record.data, step.StepChunk)]
            for record in (*said, self.tools.reports.record(terminal, "ended", cause)):
                assert self.write(record) is None, record
        return bool(opened)

    async def _child_ended(self) -> bool:
        for child in list(self.state.children.values()):
            ended = await self._run_child(child)
            self.receive(ended, f"{child.run_id}/ended", self.run_id)
            duty = CommandDuty(cast(RunDesk, self), self.plans, self.plans, cast(Partitions, self))
            duty.due(0)
            deciding = asyncio.create_task(duty.run())
            while self.fold.pending:  # noqa: ASYNC110  # the duty of a test sets no event
                await asyncio.sleep(0.001)
            deciding.cancel()
            return True
        return False

    async def _run_child(self, child: Child) -> ChildEnded:
        loaded = load(_text_of(child.pipeline), "child.json")
        inner = MemoryRun(self.house, loaded.definition, child.inputs, loaded.sha256, child.run_id)
        await inner.through()
        state = inner.state
        return ChildEnded(
            child_run_id=child.run_id, step=child.step, status=cast(Any, state.status), result=state.result,
            failure=state.failure, usage=state.usage, cost_usd=state.cost_usd,
        )  # fmt: skip

    def _waited(self) -> bool:
        due = [known.due_at for known in self.state.steps.values() if known.due_at and known.due_at > self.now]
        self.now = min(due, default=self.now)
        return bool(due)

    def _provider(self, lane: str, offline: bool) -> Offline:
        return self.house.provider

    # -- the desk of its commands

    @property
    def owned(self) -> dict[int, Owned]:
        """The one partition there is."""
        return {0: Owned(self.fold, caught_up=True)}

    def busy(self, run_id: str) -> bool:
        """Every decision is read at once."""
        return False

    def belongs(self, run_id: str, partition: int) -> bool:
        """There is one partition only."""
        return True

    def facts(self, state: object) -> Facts:
        """One worker with room for all lanes."""
        lanes = tuple(LaneOffer(lane=lane, partitions=(0,), slots=1000) for lane in LANES)
        beat = WorkerHeartbeat(worker_id=WORKER, incarnation=WORKER, number=1, roles=("lanes",), lanes=lanes, held=())
        return Facts(now=self.now, author=AUTHOR, placement=Placement(heartbeat(Fleet(), beat), 10.0))

    async def append(self, run_id: str, records: list[Record]) -> None:
        """Records land at once."""
        for record in records:
            assert self.land(record) is None, record

    async def _published(self, state: object) -> bool:
        return True


def _text_of(value: object) -> str:
    """A pipeline that stands in a record, as text."""
    assert isinstance(value, Inline)
    return value.value if isinstance(value.value, str) else json.dumps(value.value)
