"""The history checker on a log of a real broker: it is clean, and no longer so once it is corrupted in any way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from random import Random

import pytest
from elexirion.agents.settings import Settings
from elexirion.client import Client
from elexirion.client.log_check import check_log
from elexirion.events.codec import decode
from elexirion.projections.history.checker import check, examine
from elexirion.projections.history.records import Call, History
from elexirion.projections.partition import PartitionFold

from tests.e2e.cluster import Cluster
from tests.e2e.history.corruptions import CORRUPTIONS, Recorded
from tests.e2e.history.recorded import make_history, read_history
from tests.projections.state_hash import state_hash
from tests.stub.client import StubServer

SEEDS = range(5)


@pytest.fixture(scope="module")
def own_stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    with StubServer(tmp_path_factory.mktemp("recording") / "ledger.jsonl") as server:
        yield server


@pytest.fixture(scope="module")
def recording(kafka: str, own_stub: StubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in whose log many things happened, and where nothing is under way any more."""
    keys = {"ANTHROPIC_API_KEY": "stub-key", "GEMINI_API_KEY": "stub-key"}
    urls = {"ELEXIRION_ANTHROPIC_BASE_URL": own_stub.url, "ELEXIRION_GEMINI_BASE_URL": own_stub.url}
    with Cluster(kafka, tmp_path_factory.mktemp("recording"), keys | urls) as cluster:
        asyncio.run(make_history(cluster, own_stub))
        yield cluster


@pytest.fixture(scope="module")
def recorded(recording: Cluster, own_stub: StubServer) -> Recorded:
    return Recorded(asyncio.run(read_history(recording, own_stub)))


def test_a_log_of_kills_late_records_and_refused_commands_breaks_no_promise(recorded: Recorded) -> None:
    found = examine(recorded.history)
    assert found.violations == []
    counts = found.counts
    print(f"recorded: {counts}")
    assert counts.refused > 0, "a log in which nothing was refused has tested nothing"
    assert counts.dead_letters == 2
    orphaned = [one for one in recorded.counted if one.record.type == "StepOrphaned"]
    assert orphaned, "the killed worker's step was orphaned"


async def test_reading_the_topics_partition_by_partition_finds_the_same(
    recording: Cluster, recorded: Recorded, own_stub: StubServer
) -> None:
    settings = Settings(topic_prefix=recording.topics.prefix, _env_file=None)
    calls = [Call(call.asked.call_id or "") for call in own_stub.calls()]
    said = []
    async with Client(recording.bootstrap, settings=settings) as client:
        found = await check_log(client, at_rest=True, calls=calls, told=said.append)
        one = await check_log(client, run_id=recorded.counted[-1].record.run_id, at_rest=True)
    assert found.counts.snapshots > 0
    found.counts.snapshots = 0
    assert found == examine(recorded.history)
    assert (said[-1].read, said[-1].total) == (len(said), len(said))
    assert (one.violations, one.counts.runs) == ([], 1)


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda corrupt: corrupt.__name__)
def test_a_corrupted_log_is_found_out(corrupt: Callable[[Recorded, Random], History], recorded: Recorded) -> None:
    for seed in SEEDS:
        found = {violation.kind for violation in check(corrupt(recorded, Random(seed)))}
        assert found & CORRUPTIONS[corrupt], f"seed {seed}: {sorted(found)}"


@pytest.mark.parametrize("seed", range(3))
def test_a_fifth_of_the_log_doubled_and_partitions_interleaved_give_the_same_state(
    seed: int, recorded: Recorded
) -> None:
    random = Random(seed)
    events = list(recorded.events)
    for index in sorted(random.sample(range(len(events)), len(events) // 5), reverse=True):
        events.insert(random.randint(index + 1, len(events)), events[index])
    tracks = {p: [one for one in events if one.partition == p] for p in {one.partition for one in events}}
    whole, doubled = ({p: PartitionFold(p) for p in tracks} for _ in range(2))
    while any(tracks.values()):
        partition = random.choice([p for p, left in tracks.items() if left])
        one = tracks[partition].pop(0)
        doubled[partition].apply(decode(one.value), doubled[partition].next_offset, one.at)
    for one in recorded.events:
        whole[one.partition].apply(decode(one.value), one.offset, one.at)
    assert {p: state_hash(fold) for p, fold in doubled.items()} == {p: state_hash(fold) for p, fold in whole.items()}
    assert sum(fold.refused for fold in doubled.values()) >= len(recorded.events) // 5
