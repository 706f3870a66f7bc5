"""Deciding the commands of owned partitions; a run that starts gets its first steps in the same breath."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog
from elexirion.agents.decide import Facts, decide, look, number
from elexirion.agents.decide_command import reject
from elexirion.agents.evaluated import Answer, Joined, NotPossible
from elexirion.agents.kafka.errors import KafkaProblem, RecordTooLargeError
from elexirion.agents.orchestrator.answering import RunPlans, answer_all
from elexirion.agents.orchestrator.command_desk import StartChecker, outcome
from elexirion.agents.orchestrator.desk import RunDesk
from elexirion.agents.orchestrator.partitions import Owned, Partitions
from elexirion.agents.questions import AboutChild, Question
from elexirion.events import run
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.run import ChildRunEnded
from elexirion.projections.evolve import begin
from elexirion.projections.partition import EndedRun, PendingCommand
from elexirion.projections.run_state import RunState

log = structlog.get_logger(__name__)

AGAIN_S = 0.1


class CommandDuty:
    """Gives each command that stands in the log its one outcome."""

    def __init__(
        self, desk: RunDesk, checker: StartChecker, plans: RunPlans, partitions: Partitions,
        elsewhere: Callable[[PendingCommand], bool] = lambda _: False,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._checker = checker
        self._plans = plans
        self._partitions = partitions
        self._elsewhere = elsewhere
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
            if run_id in owned.fold.held or self._desk.busy(run_id) or not self._desk.belongs(run_id, partition):
                continue  # of one that somebody wrote elsewhere, the outcome would never be read here
            if self._elsewhere(pending):
                continue
            state, ended = owned.fold.runs.get(run_id), owned.fold.ended.get(run_id)
            if state is not None and not await self._shared(state, owned):
                continue
            record = self._outcome(pending, state, ended, owned.fold.broken.get(run_id))
            if state is not None and isinstance(record.data, ChildRunEnded):
                wanted = await self._as_wanted(state, record, record.data)
                if wanted is None or not self._as_it_was(state, owned):
                    self._again(owned)
                    continue
                record = wanted
            await self._say(pending, [record, *await self._first_steps(record)], partial(self._desk.facts, state))
            await asyncio.sleep(0)

    async def _say(self, pending: PendingCommand, records: list[Record], facts: Callable[[], Facts]) -> None:
        """Append the outcome; one that no record can hold would be decided for ever, by one process after the other."""
        try:
            await self._desk.append(pending.run_id, records)
        except (RecordTooLargeError, TypeError) as error:
            log.warning("the outcome of a command cannot be written", run_id=pending.run_id, error=repr(error))
            reason = f"what the command asks for cannot be recorded: {error}"
            await self._desk.append(pending.run_id, [reject(pending, "invalid_command", reason[:500], facts())])

    def _outcome(
        self, pending: PendingCommand, state: RunState | None, ended: EndedRun | None, broken: str | None
    ) -> Record:
        facts = partial(self._desk.facts, state)
        if broken is not None and state is None and ended is None:
            return reject(pending, "invalid_command", f"the run cannot start: {broken}", facts())
        try:
            return outcome(pending, state, ended, self._checker, facts)
        except Exception as error:
            # Whatever it is, it would come again after every restart, and no other command would ever be decided.
            log.exception("a command could not be decided", run_id=pending.run_id)
            reason = f"the command could not be decided: {type(error).__name__}; the log of the worker says more"
            return reject(pending, "invalid_command", reason, facts())

    async def _shared(self, state: RunState, owned: Owned) -> bool:
        """Whether all that the run said in shared sessions, or fired, is on its way: a command may be its end."""
        shared = await self._desk.sessions.publish(state) and self._as_it_was(state, owned)
        if shared and state.schedule is not None:
            shared = await self._desk.start_others(state) and self._as_it_was(state, owned)
        if not shared:
            self._again(owned)
        return shared

    def _as_it_was(self, state: RunState, owned: Owned) -> bool:
        """Whether the run may be decided by this very state."""
        return owned.fold.runs.get(state.run_id) is state and not self._desk.busy(state.run_id)

    def _again(self, owned: Owned) -> None:
        """Look at the partition's commands again soon."""
        asyncio.get_running_loop().call_later(AGAIN_S, self.due, owned.fold.partition)

    async def _as_wanted(self, state: RunState, record: Record, ended: ChildRunEnded) -> Record | None:
        """The end of a child run, by what its step asks of its result: it may not be what is wanted.

        None where its result cannot be read now.
        """
        if ended.status != "completed" or ended.result is None:
            return record
        try:
            answer = await self._plans.answer(state, AboutChild(ended.step, ended.result))
        except KafkaProblem as problem:
            log.warning("the result of a child run cannot be read", run_id=state.run_id, problem=str(problem))
            return None
        except Exception as error:
            log.exception("the result of a child run cannot be taken", run_id=state.run_id)
            message = f"the result of the child run cannot be taken: {type(error).__name__}"
            answer = NotPossible(Failure(kind="internal", message=message))
        match answer:
            case Joined() as joined if joined.value == ended.result:
                return record
            case Joined() as joined:
                data = ended.model_copy(update={"result": joined.value})
            case NotPossible() as refused:
                data = ended.model_copy(update={"status": "failed", "result": None, "failure": refused.failure})
            case _:
                return record
        return number(state, data, self._desk.facts(state), record.causation_id)

    async def _first_steps(self, record: Record) -> list[Record]:
        """What follows a RunStarted at once, numbered after it: where it is refused, these fall with it.

        A step whose templates could take long is left to the run's own unit, so that other commands do not wait.
        """
        if not isinstance(record.data, run.RunStarted):
            return []
        try:
            return await self._begin(record)
        except Exception:
            # The run's own unit meets it again, and is set aside alone.
            log.exception("the first steps of a run could not be decided", run_id=record.run_id)
            return []

    async def _begin(self, started: Record) -> list[Record]:
        state = begin(started)
        plan, facts = self._plans.plan(state), self._desk.facts(None)
        looked = look(state, plan, facts)
        if not all(self._plans.quick(state, question) for question in looked.asked):
            return []
        answers: dict[Question, Answer] = {}
        lanes = (await answer_all(self._plans, state, facts, answers)).lanes
        most = self._desk.most(state.run_id, lanes)
        return decide(state, plan, replace(facts, answers=answers, most=most))
