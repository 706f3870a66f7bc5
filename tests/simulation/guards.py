"""The guards of the rules of the log, each of which can be taken out: what they buy must be missed then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from elexirion.agents.orchestrator.fleet_duty import FleetDuty
from elexirion.agents.worker.executor import Executor
from elexirion.events import run, step
from elexirion.events.envelope import Record
from elexirion.events.worker import WorkerHeartbeat
from elexirion.projections import admission, fleet
from elexirion.projections.admission import Refusal
from elexirion.projections.fleet import Fleet
from elexirion.projections.partition import PartitionFold, Verdict
from elexirion.projections.run_state import RunState

# -- safety


def decision_number() -> Any:
    """Decisions count whatever their number and whatever they follow."""

    def refusal(state: RunState, record: Record) -> Refusal | None:
        return "run_ended" if state.ended else admission._precondition(state, record.data)

    return mock.patch.object(admission, "_decision_refusal", refusal)


@contextmanager
def closed_execution() -> Iterator[None]:
    """Reports count, and executions are given up, also after their execution has ended."""

    def report(state: RunState, record: Record) -> Refusal | None:
        data = record.data
        assert isinstance(data, step.Report)
        execution = state.executions.get(data.execution_id)
        if execution is None:
            return "unknown_execution"
        return None if execution.incarnation == data.incarnation else "other_incarnation"

    def given_up(state: RunState, execution_id: str) -> Refusal | None:
        return None if execution_id in state.executions else "unknown_execution"

    reports = mock.patch.object(admission, "_report_refusal", report)
    with reports, mock.patch.object(admission, "_open_execution", given_up):
        yield


def incarnation() -> Any:
    """A worker runs whatever reaches it, as if it were the one that is named."""
    accept = Executor.accept

    def whoever(self: Executor, cause: Record) -> None:
        assert isinstance(cause.data, step.ExecuteStep)
        own, self.incarnation = self.incarnation, cause.data.incarnation
        try:
            accept(self, cause)
        finally:
            self.incarnation = own

    return mock.patch.object(Executor, "accept", whoever)


def remembered_ids() -> Any:
    """A worker forgets an execution once it is over."""
    accept = Executor.accept

    def forgetful(self: Executor, cause: Record) -> None:
        accept(self, cause)
        self._remembered.clear()

    return mock.patch.object(Executor, "accept", forgetful)


def command_id() -> Any:
    """A command that is there twice counts twice."""

    def received(self: PartitionFold, record: Record, data: run.CommandReceived) -> Verdict:
        return self._remember(data.command_id, record, data, conflicts=False)

    return mock.patch.object(PartitionFold, "_received", received)


SAFETY: tuple[Callable[[], Any], ...] = (decision_number, closed_execution, incarnation, remembered_ids, command_id)

# -- progress


def reconciliation() -> Any:
    """An execution that its worker does not list is not sent again."""
    heard = FleetDuty.heard

    def deaf(self: FleetDuty, data: WorkerHeartbeat) -> None:
        with mock.patch.object(type(self._index), "of", lambda *_: []):
            heard(self, data)

    return mock.patch.object(FleetDuty, "heard", deaf)


def lease_suspension() -> Any:
    """The lease clock goes on while nobody can be heard."""

    def advance(known: Fleet, elapsed_s: float, gap_s: float) -> Fleet:
        return fleet.replace(known, clock=known.clock + elapsed_s)

    return mock.patch.object(fleet, "advance", advance)


@contextmanager
def decline() -> Iterator[None]:
    """A worker says nothing of what it does not take: what is for another one, or not to be started."""
    end = Executor._end

    async def silent(self: Executor, report: Record, execute: step.ExecuteStep) -> None:
        if not isinstance(report.data, step.StepDeclined):
            await end(self, report, execute)

    with mock.patch.object(Executor, "_decline", lambda *_: None), mock.patch.object(Executor, "_end", silent):
        yield
