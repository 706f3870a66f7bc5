"""An active run as a supervised unit: context → steps → monitor, under rest-for-one.

context knows the pipeline and evaluates templates; steps decides and proposes; monitor keeps time. A child
that raises is restarted and works on from the log. A run with nothing to do is parked: it is data then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from elexirion.agents.decide import BATCH, Facts, all_settled, decide, overdue_at, ready, unevaluated
from elexirion.agents.evaluated import Evaluation, NotPossible, Output
from elexirion.agents.plan import RunPlan, StepPlan
from elexirion.agents.supervision import CrashWindow, RestForOneSupervisor, Supervised
from elexirion.events.envelope import Record
from elexirion.projections.run_state import RunState
from mode import Service


class RunPlans(Protocol):
    """Reads pipelines: their plan, their templates, their output."""

    def plan(self, state: RunState) -> RunPlan:
        """The plan of the run's definition."""
        ...

    async def evaluate(self, state: RunState, step: StepPlan) -> Evaluation:
        """Render a ready step."""
        ...

    async def output(self, state: RunState) -> Output | NotPossible:
        """The run's output, once all steps are over."""
        ...


class Desk(Protocol):
    """What a run unit asks of its orchestrator."""

    def state(self, run_id: str) -> RunState | None:
        """The folded state; None once the run ended or left."""
        ...

    def busy(self, run_id: str) -> bool:
        """Whether an own decision of the run is unread."""
        ...

    def facts(self, state: RunState, most: int) -> Facts:
        """What is known outside the log, now."""
        ...

    def most(self, run_id: str, lanes: set[str]) -> int:
        """How many placements this run may make now, in fairness to those who wait."""
        ...

    async def propose(self, state: RunState, records: list[Record]) -> None:
        """Append decisions."""
        ...

    async def send_successor(self, state: RunState) -> bool:
        """Publish the command that starts the next run of a chain; whether it is acknowledged."""
        ...

    def wait_for_lanes(self, run_id: str, lanes: set[str]) -> None:
        """The run has ready steps that found no worker."""
        ...

    def alarm(self, run_id: str, due_at: datetime | None) -> None:
        """Wake the run at this time."""
        ...


class ContextService(Supervised):
    """Knows the run's pipeline; evaluated steps are kept until they are in the log."""

    def __init__(self, run_id: str, plans: RunPlans) -> None:
        super().__init__()
        self.run_id = run_id
        self._plans = plans
        self._evaluations: dict[str, Evaluation] = {}
        self._output: Output | NotPossible | None = None

    async def on_start(self) -> None:
        """Begin with nothing evaluated."""
        self._evaluations, self._output = {}, None

    def plan(self, state: RunState) -> RunPlan:
        """The plan of the run."""
        return self._plans.plan(state)

    async def evaluations(self, state: RunState, plan: RunPlan) -> dict[str, Evaluation]:
        """What is known of all ready steps; each is evaluated once in this life."""
        for planned in unevaluated(state, plan):
            if planned.name not in self._evaluations:
                self._evaluations[planned.name] = await self._plans.evaluate(state, planned)
        return self._evaluations

    async def output(self, state: RunState, plan: RunPlan) -> Output | NotPossible | None:
        """The output, where the run is through."""
        if self._output is None and state.status == "running" and all_settled(state, plan):
            self._output = await self._plans.output(state)
        return self._output


class MonitorService(Supervised):
    """Keeps the run's time: retries that fall due, executions over their limit."""

    def __init__(self, run_id: str, desk: Desk) -> None:
        super().__init__()
        self._run_id = run_id
        self._desk = desk

    def watch(self, state: RunState, now: datetime) -> None:
        """Set the alarm for the next moment at which time alone changes something.

        An execution that did not start yet may start any moment, and its start wakes nobody: look again later.
        What is due already waits for something else (a slot, a RunResumed) and needs no alarm.
        """
        moments = [known.due_at for known in state.steps.values() if known.due_at]
        overdue = [overdue_at(e.started_at or now, e.timeout_s) for e in state.open_executions()]
        coming = [moment for moment in (*moments, *overdue) if moment and moment > now]
        self._desk.alarm(self._run_id, min(coming, default=None))


class StepsService(Supervised):
    """Decides what happens next each time the run is woken."""

    def __init__(self, run_id: str, desk: Desk, context: ContextService, monitor: MonitorService) -> None:
        super().__init__()
        self._run_id = run_id
        self._desk = desk
        self._context = context
        self._monitor = monitor
        self._woken = asyncio.Event()
        self.turns = 0

    def wake(self) -> None:
        """Something changed."""
        self._woken.set()

    async def on_start(self) -> None:
        """A start, the first or another, looks at the log's state at once."""
        self._woken.set()

    @Service.task
    async def _work(self) -> None:
        while not self.should_stop:
            await self._woken.wait()
            self._woken.clear()
            self.turns += 1
            await self._turn()

    async def _turn(self) -> None:
        state = self._desk.state(self._run_id)
        if state is None or self._desk.busy(self._run_id):
            return
        plan = self._context.plan(state)
        evaluations = await self._context.evaluations(state, plan)
        output = await self._context.output(state, plan)
        if state.successor and not await self._desk.send_successor(state):
            return
        if self._desk.state(self._run_id) is not state or self._desk.busy(self._run_id):
            self._woken.set()
            await asyncio.sleep(0)
            return
        await self._decide(state, plan, evaluations, output)

    async def _decide(
        self,
        state: RunState,
        plan: RunPlan,
        evaluations: dict[str, Evaluation],
        output: Output | NotPossible | None,
    ) -> None:
        lanes = {planned.lane for planned in ready(state, plan) if planned.lane}
        most = self._desk.most(state.run_id, {str(lane) for lane in lanes}) if lanes else BATCH
        facts = self._desk.facts(state, most)
        records = decide(state, plan, _with(facts, evaluations, output))
        self._monitor.watch(state, facts.now)
        if records:
            await self._desk.propose(state, records)
        elif lanes:
            self._desk.wait_for_lanes(state.run_id, {str(lane) for lane in lanes})


def _with(facts: Facts, evaluations: dict[str, Evaluation], output: Output | NotPossible | None) -> Facts:
    return replace(facts, evaluations=evaluations, output=output)


class RunUnit:
    """The three children of a run under their supervisor."""

    def __init__(
        self, run_id: str, desk: Desk, plans: RunPlans, gave_up: Callable[[str, BaseException], Awaitable[None]]
    ) -> None:
        self.run_id = run_id
        self.context = ContextService(run_id, plans)
        self.monitor = MonitorService(run_id, desk)
        self.steps = StepsService(run_id, desk, self.context, self.monitor)
        self.window = CrashWindow()
        self.supervisor = RestForOneSupervisor(
            self.context, self.steps, self.monitor, window=self.window,
            gave_up=lambda reason: gave_up(run_id, reason),
        )  # fmt: skip

    def wake(self) -> None:
        """Something changed for the run."""
        self.steps.wake()
