"""100,000 malformed records in process: none ends a reader, each is set aside or refused, and positions move."""

from random import Random
from typing import Any, cast

import pytest
from aiokafka.structs import ConsumerRecord
from elexirion.agents.orchestrator.command_record import read_command
from elexirion.agents.orchestrator.fleet_watch import FleetWatch
from elexirion.agents.orchestrator.follow import follow
from elexirion.agents.worker.lane_app import _deliver
from elexirion.client.run_text import _chunk
from elexirion.events.codec import UndecodableError, encode
from elexirion.events.dead_letter import DeadLetter
from elexirion.events.envelope import Record
from elexirion.projections.history.checker import Checker
from elexirion.projections.history.records import Written

from tests.agents.malformed import malformed
from tests.projections.partition_log import RUN, START, RunLog

RECORDS = 100_000
LIMIT = 1_000_000
SEEDS = range(4)


def message(value: bytes | None, topic: str, offset: int) -> Any:
    """A message as a consumer hands it out."""
    at = int(START.timestamp() * 1000) + offset
    return ConsumerRecord(topic, 0, offset, at, 0, b"key", value, 3, len(value or b""), None, ())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_passes_over_each_one_and_its_run_goes_on(seed: int) -> None:
    random, log = Random(seed), RunLog("a")
    log.schedule("a")
    fold, begin, refused, letters, counted = log.fold, log.fold.next_offset, 0, 0, 0
    for n in range(RECORDS // len(SEEDS)):
        found = follow(fold, message(malformed(random), "events", begin + n))
        assert fold.next_offset == begin + n + 1
        if isinstance(found, DeadLetter):
            assert found.reason and found.encode()
            letters += 1
        else:
            refused += not found.accepted
            counted += found.accepted
            assert not found.accepted or found.record.run_id != RUN
    assert letters + refused + counted == RECORDS // len(SEEDS)
    assert min(letters, refused) > 1_000, "both ways are taken often"
    assert fold.broken == {}
    log.begin("a")
    assert log.complete("a") is None
    assert log.end() is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_command_is_read_or_said_to_be_unreadable_and_what_is_read_can_be_recorded(seed: int) -> None:
    random, read = Random(seed), 0
    for n in range(RECORDS // len(SEEDS)):
        try:
            received = read_command(message(malformed(random), "commands", n), LIMIT)
        except UndecodableError as error:
            assert str(error)
            continue
        read += 1
        assert encode(received)
    assert read > 100


async def test_workers_take_nothing_malformed_and_bury_what_is_no_command() -> None:
    random, taken, buried = Random(0), list[Record](), list[DeadLetter]()

    async def bury(letter: DeadLetter) -> None:
        buried.append(letter)

    for n in range(RECORDS // 10):
        event = type("Event", (), {"message": message(malformed(random), "steps.local", n)})
        await _deliver(event, taken.append, bury)
    assert len(taken) + len(buried) == RECORDS // 10
    assert all(letter.reason for letter in buried)


def test_readers_of_heartbeats_and_chunks_pass_over_what_is_neither() -> None:
    random = Random(0)
    watch = FleetWatch(cast(Any, None), "workers", "own.0000", 3.0, lambda beat: None, lambda: None)
    for n in range(RECORDS // 10):
        value = malformed(random)
        watch._take(value, old=bool(n % 2))
        _chunk(message(value, "chunks", n))


def test_the_history_checker_reads_any_log() -> None:
    random, checker = Random(0), Checker()
    partition = checker.partition(0)
    for n in range(RECORDS // 10):
        for take in (checker.command, checker.dead_letter, partition.event, partition.chunk):
            take(Written("any", 0, n, START, malformed(random)))
    partition.finish()
    counts = checker.finish().counts
    assert counts.events == counts.accepted + counts.refused + counts.unreadable == RECORDS // 10
