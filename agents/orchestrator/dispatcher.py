"""Handing executions to workers, again where a heartbeat does not list them, and taking them back."""

import time
from collections.abc import Callable
from typing import cast

import structlog
from elexirion.agents import failpoints
from elexirion.agents.dispatch import partition_for
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.orchestrator.open_executions import OpenExecution, OpenExecutions
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.step import CancelStep, ExecuteStep, Lane
from elexirion.projections.fleet import Fleet
from elexirion.projections.run_state import RunState

log = structlog.get_logger(__name__)

AGAIN_AFTER_S = 0.5


class Dispatcher:
    """Sends ExecuteStep and CancelStep. `local_accept` and `local_cancel` serve this process's own incarnation."""

    def __init__(
        self,
        appender: Appender,
        index: OpenExecutions,
        fleet: Callable[[], Fleet],
        own_incarnation: str,
        local_accept: Callable[[Record], None],
        local_cancel: Callable[[str], None],
    ) -> None:
        self._appender = appender
        self._index = index
        self._fleet = fleet
        self._own = own_incarnation
        self._local_accept = local_accept
        self._local_cancel = local_cancel

    async def dispatch(self, state: RunState, execution_id: str) -> None:
        """Send the execution to its incarnation, unless that was done a moment ago."""
        execution = self._index.get(execution_id)
        now = time.monotonic()
        if execution is None or now - execution.dispatched_at < AGAIN_AFTER_S:
            return
        record = execute_record(state, execution)
        failpoints.hit("dispatch.unsent", state.run_id)
        if await self._send(record, execution):
            failpoints.hit("dispatch.sent", state.run_id)
            execution.dispatched_at = now
            execution.dispatches += 1

    async def cancel(self, execution_id: str, run_id: str, lane: str, incarnation: str) -> None:
        """Tell the incarnation to stop an execution that the log closed; a lost message is said again later."""
        if incarnation == self._own:
            self._local_cancel(execution_id)
            return
        data = CancelStep(execution_id=execution_id, incarnation=incarnation)
        record = make_record(data, id=f"cancel/{execution_id}", run_id=run_id, at=utc_now())
        await self._to_worker(record, lane, incarnation, execution_id, 0)

    async def _send(self, record: Record, execution: OpenExecution) -> bool:
        member = self._fleet().members.get(execution.incarnation)
        if execution.incarnation == self._own and not (member and member.partitions(execution.lane)):
            self._local_accept(record)
            return True
        return await self._to_worker(record, execution.lane, execution.incarnation, execution.id, execution.dispatches)

    async def _to_worker(self, record: Record, lane: str, incarnation: str, id: str, again: int) -> bool:
        member = self._fleet().members.get(incarnation)
        partition = partition_for(member, lane, id, again) if member else None
        if partition is None:
            return False
        try:
            await self._appender.send(self._appender.topics.steps(lane), record, None, partition)
        except KafkaProblem as problem:
            log.warning("step command not sent", id=record.id, problem=str(problem))
            return False
        return True


def execute_record(state: RunState, execution: OpenExecution) -> Record:
    """The ExecuteStep of an open execution, made from the folded state alone."""
    opened, known = state.executions[execution.id], state.steps[state.executions[execution.id].step]
    assert known.input is not None
    data = ExecuteStep(
        execution_id=opened.id, incarnation=opened.incarnation, step=opened.step, step_type=known.step_type,
        lane=cast(Lane, opened.lane), attempt=opened.attempt, timeout_s=opened.timeout_s, input=known.input,
        output_file=known.output_file, fallback=opened.fallback, replay_from=state.replay_from,
        pipeline=state.pipeline_name, tags=state.tags, allowance=opened.allowance,
    )  # fmt: skip
    return make_record(
        data, id=f"execute/{opened.id}", run_id=state.run_id, at=utc_now(), causation_id=state.last,
        correlation_id=state.correlation_id, offline=state.offline,
    )  # fmt: skip
