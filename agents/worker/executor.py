"""What an incarnation holds: each execution once, for its whole life, until its end is acknowledged."""

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from elexirion.agents.kafka.errors import AppendUnknownError, KafkaProblem, ProducerFatalError, RecordTooLargeError
from elexirion.agents.worker.execution import Tools, attempt
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.step import ExecuteStep, StepCompleted, StepDeclined, StepFailed, StepReleased

log = structlog.get_logger(__name__)

REMEMBERED_REPORTS = 2_000
RESEND_AFTER_S = 5.0


@dataclass(slots=True)
class Held:
    """An execution whose terminal report is not acknowledged yet."""

    execute: ExecuteStep
    cause: Record
    task: "asyncio.Task[None]"


class Executor:
    """Takes executions for one incarnation. `may_start` is asked before each start (self-fencing)."""

    def __init__(
        self, incarnation: str, tools: Tools, slots: Callable[[str], int], may_start: Callable[[], bool]
    ) -> None:
        self.incarnation = incarnation
        self.draining = False
        self._tools = tools
        self._slots = slots
        self._may_start = may_start
        self._lanes: dict[str, asyncio.Semaphore] = {}
        self._held: dict[str, Held] = {}
        self._remembered: set[str] = set()
        self._reports: OrderedDict[str, Record] = OrderedDict()
        self._saying: set[asyncio.Task[Any]] = set()

    # -- what comes in

    def accept(self, cause: Record) -> None:
        """Take an ExecuteStep. Registered once this returns; never raises and never waits."""
        execute = cause.data
        assert isinstance(execute, ExecuteStep)
        id = execute.execution_id
        if execute.incarnation != self.incarnation:
            self._decline(cause, execute, "not_mine")
        elif id in self._held:
            return
        elif id in self._remembered:
            self._say_again(id)
        elif self.draining:
            self._decline(cause, execute, "draining")
        else:
            self._remembered.add(id)
            task = asyncio.create_task(self._hold(cause, execute), name=f"execution {id}")
            self._held[id] = Held(execute, cause, task)

    def cancel(self, execution_id: str) -> None:
        """Abort the execution: the log closed it, nothing it says counts any more; it never starts from now on."""
        self._remembered.add(execution_id)
        held = self._held.pop(execution_id, None)
        if held:
            held.task.cancel()

    # -- what is held

    def held_ids(self) -> tuple[str, ...]:
        """Executions to list in the heartbeat."""
        return tuple(self._held)

    def held_by_lane(self) -> Counter[str]:
        """How many executions each lane holds."""
        return Counter(held.execute.lane for held in self._held.values())

    async def drain(self, within_s: float) -> None:
        """Take nothing new, let executions end for a while, release the rest."""
        self.draining = True
        tasks = [held.task for held in self._held.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for held in list(self._held.values()):
            self.cancel(held.execute.execution_id)
            released = StepReleased(execution_id=held.execute.execution_id, incarnation=self.incarnation)
            with contextlib.suppress(KafkaProblem):
                await self._tools.reports.acknowledged(self._report(released, held.cause, "released"))
        await asyncio.gather(*self._saying, return_exceptions=True)

    # -- one execution

    async def _hold(self, cause: Record, execute: ExecuteStep) -> None:
        lane = self._lanes.setdefault(execute.lane, asyncio.Semaphore(self._slots(execute.lane)))
        async with lane:
            if not self._may_start():
                data: RecordModel = self._declined(execute, "fenced")
                await self._end(self._report(data, cause, "declined"), execute)
                return
            terminal = await attempt(cause, execute, self._tools)
        await self._end(self._terminal_report(terminal, cause, execute), execute)

    async def _end(self, report: Record, execute: ExecuteStep) -> None:
        """Say the terminal report until it is acknowledged; held means until then."""
        while True:
            try:
                await self._tools.reports.acknowledged(report, RESEND_AFTER_S)
                break
            except RecordTooLargeError as problem:
                report = self._report(_unrecordable(execute, str(problem), report.data), None, "failed", report)
            except TypeError:
                report = self._report(_unrecordable(execute, "it is no JSON", report.data), None, "failed", report)
            except AppendUnknownError as problem:
                log.warning("report not acknowledged, saying it again", id=report.id, problem=str(problem))
                await asyncio.sleep(0.2)
            except ProducerFatalError:
                return
        self._keep(execute.execution_id, report)
        self._held.pop(execute.execution_id, None)

    def _keep(self, id: str, report: Record) -> None:
        self._reports[id] = report
        while len(self._reports) > REMEMBERED_REPORTS:
            self._reports.popitem(last=False)

    # -- saying

    def _report(self, data: RecordModel, cause: Record | None, what: str, like: Record | None = None) -> Record:
        source = cause or like
        assert source is not None
        return self._tools.reports.record(data, what, source)

    def _terminal_report(self, terminal: RecordModel, cause: Record, execute: ExecuteStep) -> Record:
        try:
            return self._report(terminal, cause, "failed" if isinstance(terminal, StepFailed) else "completed")
        except ValueError:  # what pydantic raises for a value that has no JSON form
            return self._report(_unrecordable(execute, "it is no JSON", terminal), cause, "failed")

    def _declined(self, execute: ExecuteStep, reason: Literal["not_mine", "draining", "fenced"]) -> StepDeclined:
        return StepDeclined(execution_id=execute.execution_id, incarnation=self.incarnation, reason=reason)

    def _decline(self, cause: Record, execute: ExecuteStep, reason: Literal["not_mine", "draining"]) -> None:
        report = self._report(self._declined(execute, reason), cause, f"declined/{self.incarnation}")
        self._say(report)

    def _say_again(self, execution_id: str) -> None:
        report = self._reports.get(execution_id)
        if report:
            self._say(report)

    def _say(self, report: Record) -> None:
        task = asyncio.create_task(self._tools.reports.send(report), name=f"say {report.id}")
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)


def _unrecordable(execute: ExecuteStep, problem: str, said: object) -> StepFailed:
    """The failure in place of a report that cannot be written; what the step spent is counted all the same."""
    failure = Failure(kind="bad_response", message=f"the result cannot be recorded: {problem}")
    failed = StepFailed(execution_id=execute.execution_id, incarnation=execute.incarnation, failure=failure)
    if isinstance(said, StepCompleted | StepFailed):
        return failed.model_copy(update={"usage": said.usage, "cost_usd": said.cost_usd, "chunks": said.chunks})
    return failed
