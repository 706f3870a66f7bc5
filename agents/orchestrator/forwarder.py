"""Forwarding commands into the log. Any partition may hold any command; its owner decides by the log alone.

A command is committed after its CommandReceived is acknowledged; reading it again is harmless by its id.
"""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from elexirion.agents import failpoints
from elexirion.agents.kafka.appender import Appender
from elexirion.agents.kafka.connection import KafkaAddress, connect
from elexirion.agents.kafka.dead_letters import send_letter
from elexirion.agents.kafka.errors import KafkaProblem
from elexirion.agents.kafka.group_member import group_times
from elexirion.agents.orchestrator.command_record import read_command
from elexirion.events.codec import UndecodableError
from elexirion.events.dead_letter import DeadLetter

log = structlog.get_logger(__name__)

RETRY_S = 0.5


class Forwarder:
    """Reads `commands` in a group and appends CommandReceived, or a dead letter where it cannot be read."""

    def __init__(self, address: KafkaAddress, appender: Appender, session_timeout_s: float, limit_bytes: int) -> None:
        self._address = address
        self._appender = appender
        self._limit = limit_bytes
        topics = appender.topics
        self._consumer: AIOKafkaConsumer = address.consumer(
            topics.commands, group=topics.commands_group, auto_offset_reset="earliest",
            **group_times(session_timeout_s),
        )  # fmt: skip

    async def start(self) -> None:
        """Join the group."""
        await connect(self._consumer, self._address.bootstrap)

    async def stop(self) -> None:
        """Leave the group."""
        await self._consumer.stop()

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            try:
                batches = await self._consumer.getmany(timeout_ms=1000, max_records=500)
                if batches:
                    await self._forward(batches)
            except (KafkaError, KafkaProblem) as error:
                log.warning("commands not forwarded, trying again", error=str(error) or repr(error))
                while not await self._rewound():
                    continue

    async def _forward(self, batches: dict[TopicPartition, list[Any]]) -> None:
        sent = [await self._one(message) for messages in batches.values() for message in messages]
        for run_id, future in sent:
            await self._appender.acknowledged(future, 10.0)
            failpoints.hit("command.forwarded", run_id)
        ends = {tp: messages[-1].offset + 1 for tp, messages in batches.items()}
        still = {tp: end for tp, end in ends.items() if tp in self._consumer.assignment()}
        if still:  # all may be another's by now, who reads them again
            await self._consumer.commit(still)

    async def _one(self, message: Any) -> tuple[str, "asyncio.Future[Any]"]:
        """The run and what was sent for it; a letter of no run where it cannot be read."""
        try:
            record = read_command(message, self._limit)
        except UndecodableError as error:
            return "", await self._bury(message, str(error))
        failpoints.hit("command.read", record.run_id)
        return record.run_id, await self._appender.event(record)

    async def _bury(self, message: Any, reason: str) -> "asyncio.Future[Any]":
        log.warning("a command cannot be read", topic=message.topic, partition=message.partition,
                    offset=message.offset, reason=reason)  # fmt: skip
        letter = DeadLetter(message.topic, message.partition, message.offset, reason, message.key, message.value or b"")
        return await send_letter(self._appender, letter)

    async def _rewound(self) -> bool:
        """Go back to what was committed, so that nothing read and not forwarded is passed over; whether it is done."""
        await asyncio.sleep(RETRY_S)
        done = True
        for tp in self._consumer.assignment():
            try:
                committed = await self._consumer.committed(tp)
                if committed is None:
                    await self._consumer.seek_to_beginning(tp)
                else:
                    self._consumer.seek(tp, committed)
            except (KafkaError, IllegalStateError) as error:
                log.warning("position not set back", partition=tp.partition, error=repr(error))
                done = False
        return done
