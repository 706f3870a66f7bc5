"""An active run as a supervised unit: context → steps → monitor, under rest-for-one.

context knows the pipeline and evaluates templates; steps decides and proposes; monitor keeps time. A child
that raises is restarted and works on from the log. A run with nothing to do is parked: it is data then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from elexirion.agents.decide import Facts, Looked, decide, overdue_at
from elexirion.agents.decisions.limits import ends_at
from elexirion.agents.evaluated import Answer
from elexirion.agents.orchestrator.answering import RunPlans, answer_all
from elexirion.agents.plan import RunPlan
from elexirion.agents.questions import Question
from elexirion.agents.supervision import CrashWindow, RestForOneSupervisor, Supervised
from elexirion.events.envelope import Record
from elexirion.projections.due_times import next_due
from elexirion.projections.run_state import RunState
from mode import Service


class Desk(Protocol):
    """What a run unit asks of its orchestrator."""

    def state(self, run_id: str) -> RunState | None:
        """The folded state; None once the run ended or left."""
        ...

    def busy(self, run_id: str) -> bool:
        """Whether an own decision of the run is unread."""
        ...

    def facts(self, state: RunState) -> Facts:
        """What is known outside the log, now."""
        ...

    def most(self, run_id: str, lanes: set[str]) -> Mapping[str, int]:
        """How many placements this run may make now, on each lane for which others wait."""
        ...

    async def propose(self, state: RunState, records: list[Record]) -> None:
        """Append decisions."""
        ...

    async def start_others(self, state: RunState) -> bool:
        """Publish the commands that other runs get from it; whether nothing has to be waited for."""
        ...

    def decided(self, state: RunState, lanes: set[str], records: list[Record]) -> None:
        """This is what was decided, nothing included, and the lanes on which steps could begin."""
        ...

    def alarm(self, run_id: str, due_at: datetime | None) -> None:
        """Wake the run at this time."""
        ...


class ContextService(Supervised):
    """Knows the run's pipeline; what was evaluated is kept until it is in the log."""

    def __init__(self, run_id: str, plans: RunPlans) -> None:
        super().__init__()
        self.run_id = run_id
        self._plans = plans
        self._answers: dict[Question, Answer] = {}

    async def on_start(self) -> None:
        """Begin with nothing evaluated."""
        self._answers = {}

    def plan(self, state: RunState) -> RunPlan:
        """The plan of the run."""
        return self._plans.plan(state)

    async def answered(self, state: RunState, facts: Facts) -> tuple[Facts, Looked, bool]:
        """The facts with all that can be evaluated now, each once in this life; and whether that took its time."""
        known = dict(self._answers)
        looked = await answer_all(self._plans, state, facts, known)
        waited = known.keys() != self._answers.keys()
        self._answers = {question: answer for question, answer in known.items() if question in looked.asked}
        return replace(facts, answers=self._answers), looked, waited


class MonitorService(Supervised):
    """Keeps the run's time: retries that fall due, executions over their limit."""

    def __init__(self, run_id: str, desk: Desk) -> None:
        super().__init__()
        self._run_id = run_id
        self._desk = desk

    def watch(self, state: RunState, plan: RunPlan, now: datetime) -> None:
        """Set the alarm for the next moment at which time alone changes something.

        An execution that did not start yet may start any moment, and its start wakes nobody: look again later.
        What is due already waits for something else (a slot, a RunResumed) and needs no alarm.
        """
        moments = [known.due_at for known in state.steps.values() if not known.done]
        overdue = [overdue_at(e.started_at or now, e.timeout_s) for e in state.open_executions()]
        limit = ends_at(state, plan.limits.seconds)
        due = next_due(state.schedule.rule, state.schedule.until) if state.schedule else None
        coming = [moment for moment in (*moments, *overdue, limit, state.start_at, due) if moment and moment > now]
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
        if not await self._desk.start_others(state):
            return
        facts, looked, waited = await self._context.answered(state, self._desk.facts(state))
        if self._desk.state(self._run_id) is not state or self._desk.busy(self._run_id):
            self._woken.set()
            await asyncio.sleep(0)
            return
        if waited:  # what is known outside of the log may be old by now
            facts = replace(self._desk.facts(state), answers=facts.answers)
        await self._decide(state, facts, looked.lanes)

    async def _decide(self, state: RunState, facts: Facts, lanes: set[str]) -> None:
        plan = self._context.plan(state)
        facts = replace(facts, most=self._desk.most(state.run_id, lanes))
        records = decide(state, plan, facts)
        self._monitor.watch(state, plan, facts.now)
        if records:
            await self._desk.propose(state, records)
        self._desk.decided(state, lanes, records)


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
