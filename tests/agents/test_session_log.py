"""Shared sessions out of the log: read on from where the last reading ended, and only the session's own records."""

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import ConsumerRecord
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.reading import PartitionReader
from elexirion.agents.orchestrator.partitions import Owned
from elexirion.agents.orchestrator.session_log import SessionLog, SessionUnreadableError
from elexirion.events import run
from elexirion.events.codec import encode
from elexirion.events.commands import Signal
from elexirion.events.identifiers import session_run_id

from tests.projections.partition_log import PartitionLog, RunLog

SESSION = session_run_id("tutor", offline=False)


class Reading(PartitionReader):
    """Reads a log that is in memory; `starts` are the offsets at which readings began."""

    def __init__(self, log: PartitionLog) -> None:
        super().__init__(KafkaAddress("nowhere"), "events")
        self._log = log
        self.starts: list[int] = []
        self.trouble: Exception | None = None

    async def read(self, partition: int, start: int, take: Callable[[Any], None]) -> None:
        self.starts.append(start)
        for offset, (record, at) in enumerate(self._log.records[start:], start):
            if self.trouble and offset == start + 1:
                raise self.trouble
            value, key = encode(record), record.run_id.encode()
            take(ConsumerRecord("events", partition, offset, int(at.timestamp() * 1000), 0, key, value, None, 3, 9, ()))


@pytest.fixture
def log() -> RunLog:
    """A session between other runs of its partition."""
    log = RunLog("turns", run_id=SESSION)
    log.start("a", run_id="other", command_id="another start")
    return log


@pytest.fixture
def reading(log: RunLog) -> Reading:
    return Reading(log)


@pytest.fixture
def sessions(reading: Reading) -> SessionLog:
    return SessionLog(reading, 8)


def say(log: RunLog, execution: str, *, decide: bool = True) -> None:
    """The session receives turns of an execution."""
    value = {"turns": [{"user": "u", "assistant": "a"}], "execution_id": execution}
    assert log.receive(Signal(name="turns", value=value), execution, SESSION) is None
    if decide:
        assert log.decide(run.SignalReceived(command_id=execution, name="turns", value=value)) is None


async def executions(sessions: SessionLog) -> list[str | None]:
    return [one.execution_id for one in await sessions.told(SESSION)]


async def test_a_session_that_never_began_has_nothing(sessions: SessionLog) -> None:
    assert await sessions.told(session_run_id("nobody", offline=False)) == ()


async def test_each_reading_begins_where_the_last_one_ended(
    log: RunLog, sessions: SessionLog, reading: Reading
) -> None:
    say(log, "run-1/a#1")
    assert await executions(sessions) == ["run-1/a#1"]
    end = len(log.records)
    log.start("a", run_id="third", command_id="third start")
    say(log, "run-2/a#1")
    assert await executions(sessions) == ["run-1/a#1", "run-2/a#1"]
    assert reading.starts == [0, end]


async def test_a_reading_that_fails_in_the_middle_is_gone_on_with(
    log: RunLog, sessions: SessionLog, reading: Reading
) -> None:
    say(log, "run-1/a#1")
    reading.trouble = KafkaConnectionError("away")
    with pytest.raises(SessionUnreadableError, match="away"):
        await executions(sessions)
    reading.trouble = None
    assert await executions(sessions) == ["run-1/a#1"]
    assert reading.starts == [0, 1]


async def test_a_command_is_decided_once_its_outcome_is_in_the_log(log: RunLog, sessions: SessionLog) -> None:
    assert not await sessions.decided(SESSION, "run-1/a#1")
    say(log, "run-1/a#1", decide=False)
    assert not await sessions.decided(SESSION, "run-1/a#1")
    data = run.SignalReceived(command_id="run-1/a#1", name="forget")
    assert log.decide(data) is None
    assert await sessions.decided(SESSION, "run-1/a#1")


async def test_what_this_process_folds_anyway_is_not_read(log: RunLog, sessions: SessionLog, reading: Reading) -> None:
    say(log, "run-1/a#1")
    owned = {partition: Owned(log.fold, target=0, caught_up=True) for partition in range(8)}
    sessions.look_first_in(owned)
    assert await executions(sessions) == ["run-1/a#1"]
    assert reading.starts == []
    for one in owned.values():
        one.caught_up = False
    assert await executions(sessions) == ["run-1/a#1"]
    assert reading.starts == [0]
