"""Deciding the commands of owned partitions; a run that starts gets its first steps in the same breath."""

import asyncio
from dataclasses import replace
from functools import partial

from elexirion.agents.decide import BATCH, decide, look
from elexirion.agents.evaluated import Answer
from elexirion.agents.orchestrator.command_desk import StartChecker, outcome
from elexirion.agents.orchestrator.desk import RunDesk
from elexirion.agents.orchestrator.partitions import Partitions
from elexirion.agents.orchestrator.run_unit import RunPlans
from elexirion.agents.questions import Question
from elexirion.events import run
from elexirion.events.envelope import Record
from elexirion.projections.evolve import begin


class CommandDuty:
    """Gives each command that stands in the log its one outcome."""

    def __init__(self, desk: RunDesk, checker: StartChecker, plans: RunPlans, partitions: Partitions) -> None:
        self._desk = desk
        self._checker = checker
        self._plans = plans
        self._partitions = partitions
        self._partitions_due: set[int] = set()
        self._some = asyncio.Event()

    def due(self, partition: int) -> None:
        """A command of the partition may be decided now."""
        self._partitions_due.add(partition)
        self._some.set()

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            due, self._partitions_due = self._partitions_due, set()
            for partition in due:
                await self._decide_all(partition)

    async def _decide_all(self, partition: int) -> None:
        owned = self._partitions.owned.get(partition)
        if owned is None or not owned.caught_up:
            return
        for pending in list(owned.fold.pending.values()):
            run_id = pending.run_id
            if self._desk.busy(run_id):
                continue
            state, ended = owned.fold.runs.get(run_id), owned.fold.ended.get(run_id)
            record = outcome(pending, state, ended, self._checker, partial(self._desk.facts, state))
            await self._desk.append(run_id, [record, *await self._first_steps(record)])
            await asyncio.sleep(0)

    async def _first_steps(self, record: Record) -> list[Record]:
        """What follows a RunStarted at once, numbered after it: where it is refused, these fall with it.

        A step whose templates could take long is left to the run's own unit, so that other commands do not wait.
        """
        if not isinstance(record.data, run.RunStarted):
            return []
        state = begin(record)
        plan, facts = self._plans.plan(state), self._desk.facts(None)
        looked = look(state, plan, facts)
        if not all(self._plans.quick(state, question) for question in looked.asked):
            return []
        answers: dict[Question, Answer] = {q: await self._plans.answer(state, q) for q in looked.asked}
        facts = replace(facts, answers=answers)
        lanes = look(state, plan, facts).lanes
        most = self._desk.most(state.run_id, lanes) if lanes else BATCH
        return decide(state, plan, replace(facts, most=most))
