"""An orchestrator reads on where its snapshot stands, and refuses a log that is not the one below it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from elexirion.agents.kafka.connection import KafkaAddress
from elexirion.agents.kafka.errors import KafkaProblem, TopicsMismatchError
from elexirion.agents.orchestrator import partitions as reading
from elexirion.agents.orchestrator.partitions import Partitions
from elexirion.agents.orchestrator.snapshot_topic import Found
from elexirion.events.codec import encode
from elexirion.events.topics import Topics
from elexirion.projections.snapshot import Restored

from tests.projections.partition_log import PartitionLog
from tests.projections.snapshots import PARTITIONS, Followed, Topic

TP = TopicPartition("elexirion.events", 3)


def log_of_three_runs() -> PartitionLog:
    log = PartitionLog()
    for number in range(3):
        log.start("a", run_id=f"run-{number}", command_id=f"start-{number}")
    return log


LOG = log_of_three_runs()


class Broker:
    """A consumer over one partition that holds the records from `start` on; `count` partitions are known.

    It tells of too early an end the first `unrecovered` times that it is asked.
    """

    def __init__(self, log: PartitionLog = LOG, start: int = 0) -> None:
        self.records, self.start, self.count = log.records, start, PARTITIONS
        self.position = -1
        self.unrecovered = 0
        self.paused = False
        self.stopped = False
        self.fails: Exception | None = None

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.position = offset

    async def stop(self) -> None:
        self.stopped = True

    def pause(self, tp: TopicPartition) -> None:
        self.paused = True

    def resume(self, tp: TopicPartition) -> None:
        self.paused = False

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self.count))

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, self.start)

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        whole, self.unrecovered = self.unrecovered == 0, max(0, self.unrecovered - 1)
        return dict.fromkeys(tps, len(self.records) if whole else 2)

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Any]]:
        if self.fails:
            raise self.fails
        if self.paused:
            return {}
        messages = [
            SimpleNamespace(offset=offset, value=encode(record))
            for offset, (record, _) in enumerate(self.records) if offset >= self.position
        ]  # fmt: skip
        return {TP: messages} if messages else {}


def snapshot(length: int) -> Restored:
    topic = Topic()
    topic.snapshot(Followed().read(LOG.records, length))
    return topic.newest()


async def gained(broker: Broker, restored: Restored | None, monkeypatch: pytest.MonkeyPatch) -> Partitions:
    """The partition was assigned; what lies on the snapshots topic is this one."""

    class Lying(Found):
        def newest(self, partition: int) -> Restored | None:
            return restored

    async def read(*_: Any) -> dict[int, Found]:
        return {TP.partition: Lying()}

    monkeypatch.setattr(reading, "read_snapshots", read)
    address = cast(KafkaAddress, SimpleNamespace(consumer=lambda **_: broker))
    partitions = Partitions(address, Topics(), 6.0, PARTITIONS, lambda *_: None)
    await partitions.on_partitions_assigned([TP])
    return partitions


async def test_the_log_is_read_from_the_record_before_the_snapshot_on(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    partitions = await gained(broker, snapshot(4), monkeypatch)
    [messages] = (await partitions.read(0)).values()
    assert [message.offset for message in messages] == [3, 4, 5]
    owned = partitions.owned[TP.partition]
    assert (owned.begun, owned.target, owned.unsaved, owned.begins_after) == (4, 6, 0, None)
    assert list(owned.fold.runs) == ["run-0", "run-1"]


async def test_without_a_snapshot_it_is_read_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    partitions = await gained(Broker(), None, monkeypatch)
    [messages] = (await partitions.read(0)).values()
    assert [message.offset for message in messages] == list(range(6))


@pytest.mark.parametrize(
    ("broker", "says"),
    [
        (Broker(PartitionLog()), "holds offsets 0 to 0, and was read up to 4 before"),
        (Broker(start=5), "holds offsets 5 to 6, and was read up to 4 before"),
        (Broker(start=4), "holds offsets 4 to 6, and was read up to 4 before"),
    ],
    ids=["shorter", "begins after", "begins right after"],
)
async def test_a_log_without_the_records_of_the_snapshot_is_refused(
    broker: Broker, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SHORT_FOR_S", 0.0)
    partitions = await gained(broker, snapshot(4), monkeypatch)
    with pytest.raises(KafkaProblem, match=says) as refused:
        await partitions.read(0)
    assert "Records of runs are gone" in str(refused.value)


async def test_a_broker_that_has_not_recovered_its_log_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    broker.unrecovered = 2
    partitions = await gained(broker, snapshot(4), monkeypatch)
    for _ in range(2):
        await partitions.read(0)
        assert partitions.owned[TP.partition].target is None, "nothing is decided before the log is whole"
    await partitions.read(0)
    assert partitions.owned[TP.partition].target == 6


async def test_a_log_with_another_record_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    record, at = LOG.records[3]
    broker.records = [*LOG.records[:3], (replace(record, id="another"), at), *LOG.records[4:]]
    partitions = await gained(broker, snapshot(4), monkeypatch)
    with pytest.raises(KafkaProblem, match="is not the record that a snapshot was taken after"):
        await partitions.read(0)


async def test_a_snapshot_of_another_number_of_partitions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    partitions = await gained(Broker(), replace(snapshot(4), log_partitions=12), monkeypatch)
    with pytest.raises(TopicsMismatchError, match="read as 8 partitions, and had 12 at its snapshot"):
        await partitions.read(0)


async def test_a_topic_that_gets_more_partitions_while_it_is_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    partitions = await gained(broker, snapshot(4), monkeypatch)
    await partitions.read(0)
    broker.count = 12
    with pytest.raises(TopicsMismatchError, match="read as 8 partitions, and now has 12"):
        await partitions.read(0)


async def test_a_log_that_is_cut_below_the_place_that_is_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    partitions = await gained(broker, snapshot(4), monkeypatch)
    broker.fails = OffsetOutOfRangeError({TP: 4})
    with pytest.raises(KafkaProblem, match="truncated below our position"):
        await partitions.read(0)


async def test_a_snapshot_that_is_behind_what_was_folded_already_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker()
    partitions = await gained(broker, snapshot(6), monkeypatch)
    await partitions.read(0)
    await partitions.on_partitions_revoked([TP])
    again = await gained(broker, snapshot(2), monkeypatch)
    again._known = partitions._known
    again.owned.clear()
    await again.on_partitions_assigned([TP])
    await again.read(0)
    assert again.owned[TP.partition].begun == 6


async def test_nothing_more_is_asked_for_until_what_was_read_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    partitions = await gained(broker, snapshot(6), monkeypatch)
    await partitions.read(0)
    assert not broker.paused, "a log is read to its end as fast as it comes"
    partitions.owned[TP.partition].caught_up = True
    await partitions.read(0)
    assert broker.paused
    partitions.owned[TP.partition].fold.next_offset = 8  # two decisions of our own, by their acknowledgements
    broker.records = [*LOG.records, *LOG.records[:4]]
    [messages] = (await partitions.read(0)).values()
    assert [message.offset for message in messages] == [8, 9]


async def test_a_partition_that_was_assigned_anew_does_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    partitions = await gained(broker, snapshot(6), monkeypatch)
    await partitions.read(0)
    partitions.owned[TP.partition].caught_up = True
    await partitions.read(0)
    await partitions.on_partitions_revoked([TP])
    await partitions.on_partitions_assigned([TP])
    partitions._reading.go_on({TP: 6})
    assert broker.paused, "until it is known whether a snapshot is further"


async def test_who_cannot_go_on_leaves_the_partitions_to_others_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    partitions = await gained(broker, None, monkeypatch)
    with pytest.raises(TopicsMismatchError):
        async with partitions.given_up_at_once():
            broker.count = 12
            await partitions.read(0)
    assert broker.stopped
