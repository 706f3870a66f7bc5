"""One message of the log: what the fold said, and what has to happen because of it."""

import orjson
import pytest
from aiokafka.structs import ConsumerRecord, RecordMetadata, TopicPartition
from elexirion.agents.orchestrator import follow as log_follow
from elexirion.agents.orchestrator.follow import Followed, follow, follow_own
from elexirion.events import commands, run, step
from elexirion.events.codec import encode
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record

from tests.projections.partition_log import RUN, WORKER, PartitionLog, RunLog

EXECUTION = f"{RUN}/a#1"


def message(value: bytes | None, log: PartitionLog) -> "ConsumerRecord[bytes, bytes]":
    """A message as aiokafka hands it out, at the end of the log."""
    return ConsumerRecord("events", 0, log.fold.next_offset, int(log.now.timestamp() * 1000), 0, b"key", value,
                          None, 3, len(value or b""), ())  # fmt: skip


def followed(log: PartitionLog, record: Record) -> Followed:
    found = follow(log.fold, message(encode(record), log))
    assert isinstance(found, Followed)
    return found


def test_an_accepted_schedule_opens_its_execution() -> None:
    log = RunLog()
    found = followed(log, log.decision(log.scheduled()))
    opened = log_follow.opened(found)
    assert found.accepted and opened and opened.execution_id == EXECUTION
    assert log_follow.closed(found) == []


def test_a_refused_schedule_opens_nothing() -> None:
    log = RunLog()
    found = followed(log, log.decision(log.scheduled(), prev="else"))
    assert not found.accepted
    assert log_follow.opened(found) is None


SAID = {"execution_id": EXECUTION, "incarnation": WORKER}


@pytest.mark.parametrize(
    ("kind", "fields", "recalled"),
    [
        (step.StepDeclined, {"reason": "full"}, False),
        (step.StepReleased, {}, False),
        (step.StepOrphaned, {"reason": "worker_left"}, True),
        (step.StepTimedOut, {"timeout_s": 5.0}, True),
    ],
)
def test_what_ends_an_execution_closes_it(kind: type, fields: dict[str, object], recalled: bool) -> None:
    log = RunLog()
    log.schedule()
    data = kind(**SAID, **fields)
    record = log.reported(data) if issubclass(kind, step.Report) else log.decision(data)
    found = followed(log, record)
    assert log_follow.closed(found) == [EXECUTION]
    assert log_follow.recalled(found) is recalled
    assert log_follow.closed(followed(log, record)) == [], "once is enough"


def test_a_terminal_event_closes_and_recalls_all_that_was_open() -> None:
    log = RunLog("a", "b")
    log.schedule("a")
    log.schedule("b")
    found = followed(log, log.decision(run.RunQuarantined(reason="r", crashes=4, context_hash="")))
    assert log_follow.closed(found) == [EXECUTION, f"{RUN}/b#1"]
    assert log_follow.recalled(found)


@pytest.mark.parametrize(("reason", "misrouted"), [("not_mine", EXECUTION), ("full", None)])
def test_a_command_that_reached_another_worker_is_told_by_its_decline(reason: str, misrouted: str | None) -> None:
    log = RunLog()
    log.schedule()
    said = {"execution_id": EXECUTION, "incarnation": "w9.dddd", "reason": reason}
    found = followed(log, log.reported(step.StepDeclined.model_validate(said)))
    assert not found.accepted
    assert log_follow.misrouted(found) == misrouted
    assert log_follow.closed(found) == []


def test_a_new_command_is_noticed_and_its_repeat_is_not() -> None:
    log = RunLog()
    log.receive(commands.CancelRun(), "c1")
    repeat = log.records[-1][0]
    assert not log_follow.is_new_command(followed(log, repeat))
    other = RunLog(run_id="run-2")
    assert log_follow.is_new_command(followed(other, repeat))


@pytest.mark.parametrize("value", [b"\xff\x00", b"[1]", b"", None, b'{"type":"X"}'])
def test_what_cannot_be_read_is_passed_over_and_buried(value: bytes | None) -> None:
    log = RunLog()
    offset, before = log.fold.next_offset, dict(log.fold.runs)
    letter = follow(log.fold, message(value, log))
    assert isinstance(letter, DeadLetter)
    assert (letter.topic, letter.partition, letter.offset, letter.key) == ("events", 0, offset, b"key")
    assert letter.reason
    assert orjson.loads(letter.encode())["size"] == len(value or b"")
    assert log.fold.next_offset == offset + 1
    assert log.fold.runs == before


def test_an_own_record_folded_at_its_acknowledged_place_is_as_if_it_was_fetched() -> None:
    fetched, acknowledged = RunLog(), RunLog()
    record = fetched.decision(fetched.scheduled())
    timestamp = int(fetched.now.timestamp() * 1000)
    place = RecordMetadata("events", 0, TopicPartition("events", 0), acknowledged.fold.next_offset, timestamp, 0, 0)
    assert follow_own(acknowledged.fold, record, place) == followed(fetched, record)
    assert acknowledged.fold == fetched.fold
