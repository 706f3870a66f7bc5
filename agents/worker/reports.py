"""What a worker writes about an execution: reports into the log and chunks beside it."""

import asyncio

import structlog
from aiokafka.structs import RecordMetadata
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.errors import AppendUnknownError
from elexirion.events.envelope import Record, make_record, utc_now
from elexirion.events.identifiers import chunk_id, report_id
from elexirion.events.record_model import RecordModel
from elexirion.events.step import StepChunk

log = structlog.get_logger(__name__)

AGAIN_S = 0.2


class Reports:
    """Makes and sends the records of executions; sending again keeps an id."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender

    def record(self, data: RecordModel, what: str, cause: Record) -> Record:
        """A report on the execution that `cause` (its ExecuteStep) asked for."""
        execution_id: str = data.execution_id  # type: ignore[attr-defined]  # every report names one
        return make_record(
            data, id=report_id(execution_id, what), run_id=cause.run_id, at=utc_now(),
            causation_id=cause.id, correlation_id=cause.correlation_id, offline=cause.offline,
        )  # fmt: skip

    async def send(self, record: Record) -> "asyncio.Future[RecordMetadata]":
        """Append to `events`."""
        return await self._appender.event(record)

    async def acknowledged(self, record: Record, timeout_s: float = 5.0) -> RecordMetadata:
        """Append to `events` and wait for the broker."""
        return await self.answered(await self.send(record), timeout_s)

    async def recorded(self, record: Record) -> None:
        """Append to `events` and say it again until the broker has it: one that is away is waited for.

        Raises ProducerFatalError and RecordTooLargeError.
        """
        while True:
            try:
                await self.acknowledged(record)
                return
            except AppendUnknownError as problem:
                log.warning("report not acknowledged, saying it again", id=record.id, problem=str(problem))
                await asyncio.sleep(AGAIN_S)

    async def answered(self, sent: "asyncio.Future[RecordMetadata]", timeout_s: float) -> RecordMetadata:
        """Wait for the broker's answer to what was sent; raises KafkaProblem."""
        return await self._appender.acknowledged(sent, timeout_s)

    async def chunk(self, cause: Record, execution_id: str, n: int, text: str) -> "asyncio.Future[RecordMetadata]":
        """Append the n-th chunk of an execution to `chunks`."""
        record = make_record(
            StepChunk(execution_id=execution_id, n=n, text=text), id=chunk_id(execution_id, n),
            run_id=cause.run_id, at=utc_now(), causation_id=cause.id,
            correlation_id=cause.correlation_id, offline=cause.offline,
        )  # fmt: skip
        while True:
            try:
                return await self._appender.keyed(self._appender.topics.chunks, record)
            except AppendUnknownError as problem:  # certainly not written: it never got a place in the producer
                log.warning("a chunk waits for the broker", id=record.id, problem=str(problem))
                await asyncio.sleep(AGAIN_S)
