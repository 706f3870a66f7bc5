"""Giving RetryRun and ForkRun their outcome: the run that they are about is read from the log, whenever it ended.

The new run's StartRun is fixed by the RunForked that counts, so that sending it again, by whoever takes over, says the
same. Reading a partition takes its time: other commands do not wait for it.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from elexirion.agents.decide_command import NotLoadable, reject, void
from elexirion.agents.forking import NotForked, forked
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.reading import PartitionReader, broker_time
from elexirion.agents.orchestrator.answering import RunPlans
from elexirion.agents.orchestrator.command_desk import StartChecker
from elexirion.agents.orchestrator.desk import RunDesk
from elexirion.events.canonical import canonical_json
from elexirion.events.carried import Carried, CarriedStep
from elexirion.events.codec import UndecodableError, decode, describe
from elexirion.events.commands import ForkRun, RetryRun, StartRun
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.identifiers import RUN_ID_PATTERN, fork_command_id
from elexirion.events.partitioner import partition_of
from elexirion.events.run import RunForked
from elexirion.events.values import Inline, Value
from elexirion.pipelines.loader import load
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.projections.partition import PendingCommand
from elexirion.projections.run_fold import Judged, RunFold
from pydantic import ValidationError

log = structlog.get_logger(__name__)

AGAIN_S = 1.0
COMMANDS: dict[str, type[RetryRun] | type[ForkRun]] = {"RetryRun": RetryRun, "ForkRun": ForkRun}
SMALL_BYTES = 1_000
"""A result up to this size is carried in the record itself; a larger one is stored, so that hundreds fit in one."""

Store = Callable[[str, Any], Awaitable[Value]]


class ForkDuty:
    """Decides each RetryRun and ForkRun once, by itself; `store` keeps a value outside of its record."""

    def __init__(
        self,
        desk: RunDesk,
        checker: StartChecker,
        plans: RunPlans,
        reader: PartitionReader,
        partitions: int,
        store: Store,
    ) -> None:
        self._desk = desk
        self._checker = checker
        self._plans = plans
        self._reader = reader
        self._partitions = partitions
        self._store = store
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._one_reading = asyncio.Lock()

    async def stop(self) -> None:
        """End what is under way, and the connection."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._reader.stop()

    def takes(self, pending: PendingCommand) -> bool:
        """Whether the command is one of these; then it is decided, and nobody waits for it."""
        if pending.received.command_type not in COMMANDS:
            return False
        id = pending.record.id
        if id not in self._under_way:
            task = asyncio.create_task(self._decide(pending), name=f"fork {id}")
            self._under_way[id] = task
            task.add_done_callback(lambda _: self._under_way.pop(id, None))
        return True

    async def _decide(self, pending: PendingCommand) -> None:
        try:
            record = await self._once_readable(pending)
        except Exception as error:
            log.exception("a command could not be decided", run_id=pending.run_id)
            reason = f"the command could not be decided: {type(error).__name__}; the log of the worker says more"
            record = reject(pending, "invalid_command", reason, self._desk.facts(None))
        owned = self._desk.owned(pending.run_id)
        if owned is not None and pending in owned.fold.pending.values():
            await self._desk.append(pending.run_id, [record])

    async def _once_readable(self, pending: PendingCommand) -> Record:
        while True:
            try:
                return await self._outcome(pending)
            except (KafkaError, KafkaProblem) as problem:
                log.warning("a run cannot be read, trying again", run_id=pending.run_id, problem=str(problem))
                await asyncio.sleep(AGAIN_S)

    async def _outcome(self, pending: PendingCommand) -> Record:
        facts = self._desk.facts(None)
        refused = void(pending, facts)
        if refused is not None:
            return refused
        try:
            command = COMMANDS[pending.received.command_type].model_validate(pending.received.command)
        except ValidationError as error:
            return reject(pending, "invalid_command", describe(error), facts)
        if not re.fullmatch(RUN_ID_PATTERN, command.new_run_id):
            said = "field `new_run_id`: letters, digits and . _ ~ - are expected, 128 at most"
            return reject(pending, "invalid_command", said, facts)
        history = await self._history(pending.run_id)
        state = history[-1].state if history else None
        if state is None:
            return reject(pending, "no_such_run", f"there is no run {pending.run_id}", facts)
        try:
            changed = _definition(command)
        except PipelineInvalid as invalid:
            return reject(pending, "invalid_pipeline", "\n".join(str(problem) for problem in invalid.errors), facts)
        found = forked(command, history, state, self._plans.plan(state), changed)
        if isinstance(found, NotForked):
            return reject(pending, found.code, found.reason, facts)
        checked = self._checker.check(found.start)
        if isinstance(checked, NotLoadable):
            return reject(pending, checked.code, checked.reason, facts)
        return await self._forked(pending, command, found.start, found.from_step)

    async def _history(self, run_id: str) -> list[Judged]:
        """All records of the run, each with what the fold says of it."""
        fold, found, key = RunFold(), list[Judged](), run_id.encode()

        def take(message: Any) -> None:
            if message.key != key:
                return
            try:
                record = decode(message.value)
            except UndecodableError:
                return
            refused = fold.take(record, broker_time(message))
            found.append(Judged(record, refused, fold.state))

        async with self._one_reading:
            await self._reader.read(partition_of(run_id, self._partitions), 0, take)
        return found

    async def _forked(
        self, pending: PendingCommand, command: RetryRun | ForkRun, start: StartRun, from_step: str | None
    ) -> Record:
        run_id = command.new_run_id
        carried = start.carried or Carried()
        steps = tuple([await self._slim(run_id, one) for one in carried.steps])
        start = start.model_copy(update={"carried": carried.model_copy(update={"steps": steps})})
        data = RunForked(
            command_id=pending.received.command_id, content_hash=pending.received.content_hash,
            relation="retry" if isinstance(command, RetryRun) else "fork", new_run_id=run_id,
            start_command_id=fork_command_id(pending.run_id, pending.received.command_id), from_step=from_step,
            start=await self._store(run_id, start.model_dump(mode="json")), carried=tuple(one.name for one in steps),
        )  # fmt: skip
        return make_record(
            data, id=f"{pending.record.id}/forked/{run_id}", run_id=pending.run_id, at=utc_now(),
            causation_id=pending.record.id, correlation_id=pending.record.correlation_id,
        )  # fmt: skip

    async def _slim(self, run_id: str, one: CarriedStep) -> CarriedStep:
        kept = {"result": await self._small(run_id, one.result), "said": await self._small(run_id, one.said)}
        return one.model_copy(update=kept)

    async def _small(self, run_id: str, value: Value | None) -> Value | None:
        if isinstance(value, Inline) and len(canonical_json(value.value)) > SMALL_BYTES:
            return await self._store(run_id, value.value)
        return value


def _definition(command: RetryRun | ForkRun) -> dict[str, Any] | None:
    """That of the command's own pipeline, if it has one; raises PipelineInvalid."""
    own = command.pipeline if isinstance(command, ForkRun) else None
    if own is None:
        return None
    text = own.pipeline if isinstance(own.pipeline, str) else json.dumps(own.pipeline)
    return load(text, own.source.file or "pipeline").definition


def start_of(told: RunForked, start: Any, correlation_id: str | None) -> Record:
    """The StartRun of the new run; sending it again is harmless."""
    data = StartRun.model_validate(start)
    record = make_record(data, id=told.start_command_id, run_id=told.new_run_id, at=utc_now())
    return replace(record, correlation_id=correlation_id)
