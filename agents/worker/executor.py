"""What an incarnation holds: each execution once, for its whole life, until its end is acknowledged."""

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from elexirion.agents import failpoints
from elexirion.agents.kafka.errors import AppendUnknownError, KafkaProblem, ProducerFatalError, RecordTooLargeError
from elexirion.agents.worker.execution import Tools, attempt
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.step import ExecuteStep, StepCompleted, StepDeclined, StepFailed, StepReleased

log = structlog.get_logger(__name__)

REMEMBERED_REPORTS = 2_000
REMEMBERED_IDS = 50_000
"""Of the last executions each runs once, however often it is delivered: again means within a minute of full speed."""
RESEND_AFTER_S = 5.0


@dataclass(slots=True)
class Held:
    """An execution whose terminal report is not acknowledged yet; one that waits for its turn has not started."""

    execute: ExecuteStep
    cause: Record
    task: "asyncio.Task[None]"
    started: bool = False


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
        self._remembered: OrderedDict[str, None] = OrderedDict()
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
            self._remember(id)
            task = asyncio.create_task(self._hold(cause, execute), name=f"execution {id}")
            self._held[id] = Held(execute, cause, task)

    def cancel(self, execution_id: str) -> None:
        """Abort the execution: the log closed it, nothing it says counts any more; it never starts from now on."""
        self._remember(execution_id)
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

    async def drain(self, within_s: float) -> tuple[str, ...]:
        """Take nothing new, release what waits for its turn, let the others end for a while, release the rest.

        Gives the ids of all that were released.
        """
        self.draining = True
        waiting = await self._release([held for held in self._held.values() if not held.started])
        tasks = [held.task for held in self._held.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        unfinished = await self._release(list(self._held.values()))
        await asyncio.gather(*self._saying, return_exceptions=True)
        return waiting + unfinished

    async def _release(self, some: list[Held]) -> tuple[str, ...]:
        """Give them back, all at once: where one is not acknowledged, the others do not wait for it."""
        for held in some:
            self.cancel(held.execute.execution_id)
        await asyncio.gather(*(self._say_released(held) for held in some))
        return tuple(held.execute.execution_id for held in some)

    async def _say_released(self, held: Held) -> None:
        released = StepReleased(execution_id=held.execute.execution_id, incarnation=self.incarnation)
        with contextlib.suppress(KafkaProblem):
            await self._tools.reports.acknowledged(self._report(released, held.cause, "released"))

    # -- one execution

    async def _hold(self, cause: Record, execute: ExecuteStep) -> None:
        lane = self._lanes.setdefault(execute.lane, asyncio.Semaphore(self._slots(execute.lane)))
        async with lane, self._permitted(cause, execute):
            if not self._may_start():
                data: RecordModel = self._declined(execute, "fenced")
                await self._end(self._report(data, cause, "declined"), execute)
                return
            self._held[execute.execution_id].started = True
            terminal = await attempt(cause, execute, self._tools)
        await self._end(self._terminal_report(terminal, cause, execute), execute)

    @contextlib.asynccontextmanager
    async def _permitted(self, cause: Record, execute: ExecuteStep) -> AsyncIterator[None]:
        """With what the first call needs of a limited provider: until then the execution is held and not started."""
        control, provider = self._tools.control, self._tools.provider(execute.lane, cause.offline)
        if control is None or provider is None or cause.offline:
            yield
            return
        await control.before_start(provider.name, execute.execution_id)
        try:
            yield
        finally:
            control.ended(execute.execution_id)

    async def _end(self, report: Record, execute: ExecuteStep) -> None:
        """Say the terminal report until it is acknowledged; held means until then."""
        while True:
            try:
                await self._say_the_end(report)
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
            except Exception as error:  # held for ever otherwise
                log.exception("a report cannot be said", id=report.id)
                said = f"{type(error).__name__} while it was written"
                report = self._report(_unrecordable(execute, said, report.data), None, "failed", report)
        self._keep(execute.execution_id, report)
        self._held.pop(execute.execution_id, None)

    async def _say_the_end(self, report: Record) -> None:
        failpoints.hit("execution.result_unsent", report.run_id)
        sent = await self._tools.reports.send(report)
        failpoints.hit("execution.result_sent", report.run_id)
        await self._tools.reports.answered(sent, RESEND_AFTER_S)
        failpoints.hit("execution.result_acked", report.run_id)

    def _remember(self, id: str) -> None:
        self._remembered[id] = None
        if len(self._remembered) > REMEMBERED_IDS:
            self._remembered.popitem(last=False)

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
