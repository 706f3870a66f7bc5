"""A circuit is one for all workers: it opens for all, lets one probe through, and survives its owner."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime, timedelta
from typing import Any

from elexirion.agents.kafka.reading import broker_time
from elexirion.events.provider import CircuitClosed, CircuitHalfOpened, CircuitOpened

from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Seen, Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

THRESHOLD, RECOVERY_S, SLOTS, WORKERS = 5, 3.0, 2, 4
RUNS = 24
SETTINGS = {"ELEXIRION_CIRCUIT_RECOVERY_S": str(RECOVERY_S), "ELEXIRION_CLAUDE_SLOTS": str(SLOTS)}
HEARD_BY_ALL = timedelta(seconds=1)
FAILS = Answer(status=529, delay_headers_s=0.15)
DECISIONS = {"CircuitOpened", "CircuitHalfOpened", "CircuitClosed"}


def pipeline(question: str, attempts: int = 12) -> dict[str, Any]:
    """One step that is tried again and again."""
    retry = {"max_attempts": attempts, "base_delay_ms": 100, "max_delay_ms": 3000}
    return {"name": "one", "steps": [{"name": "ask", "type": "claude", "prompt": question, "retry": retry}]}


def decided(tape: Tape) -> list[Seen]:
    """The decisions about circuits, in the order of the log."""
    return [seen for seen in tape.providers if seen.record.type in DECISIONS]


async def decision(tape: Tape, number: int, kind: type[Any], within_s: float = 30) -> Seen:
    """The number-th decision, counted from 1, which is one of this kind."""
    await tape.until(lambda: len(decided(tape)) >= number, within_s, f"decision {number}, a {kind.__name__}")
    found = decided(tape)[number - 1]
    assert isinstance(found.record.data, kind), [
        (seen.record.at, seen.record.type, seen.record.raw) for seen in tape.providers
    ]
    return found


def calls(stub: StubServer, question: str, since: datetime | None = None, until: datetime | None = None) -> int:
    """How many calls with this question began within the time."""
    began = [call.asked.at for call in stub.calls() if question in call.asked.prompt]
    return sum((not since or at > since.timestamp()) and (not until or at <= until.timestamp()) for at in began)


def reports(tape: Tape) -> list[Seen]:
    """The failures that were reported, in the order of the log."""
    return [seen for seen in tape.providers if seen.record.type == "CallReported"]


def started(tape: Tape, runs: list[str], until: datetime) -> int:
    """How many executions had started by then."""
    return sum(seen.record.at <= until for run in runs for seen in tape.named(run, "StepStarted"))


def fails_until(stub: StubServer, question: str) -> None:
    """Every call with this question fails until the script is changed."""
    stub.script(Rule(contains=question, answer=FAILS))


async def test_four_workers_share_a_circuit_and_its_one_probe(cluster: Cluster, stub: StubServer) -> None:
    question = f"Are you well? {uuid.uuid4().hex}"
    fails_until(stub, question)
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        first = cluster.start("a", lanes="claude,local", **SETTINGS)
        others = [cluster.start(name, roles="lanes", lanes="claude", **SETTINGS) for name in ("b", "c", "d")]
        await cluster.ready(tape, first, *others)
        runs = [run_id("circuit") for _ in range(RUNS)]
        await asyncio.gather(*(publisher.start(run, pipeline(question)) for run in runs))

        opened = await decision(tape, 1, CircuitOpened)
        half = await decision(tape, 2, CircuitHalfOpened)
        again = await decision(tape, 3, CircuitOpened)
        stub.reset_script()
        await decision(tape, 4, CircuitHalfOpened)
        closed = await decision(tape, 5, CircuitClosed)
        for run in runs:
            await tape.completed(run, 60)

    at_first = calls(stub, question, until=broker_time(half.message))
    tripped = broker_time(reports(tape)[THRESHOLD - 1].message)
    under_way = started(tape, runs, until=tripped) - THRESHOLD
    print(f"{at_first} calls until all refuse: {THRESHOLD} and {under_way} that were under way")
    assert at_first <= THRESHOLD + under_way
    assert under_way <= SLOTS * WORKERS
    assert calls(stub, question, broker_time(opened.message) + HEARD_BY_ALL, broker_time(half.message)) == 0
    assert broker_time(half.message) - broker_time(opened.message) >= timedelta(seconds=RECOVERY_S - 0.1)
    assert calls(stub, question, broker_time(half.message), broker_time(again.message)) == 1
    assert calls(stub, question, broker_time(again.message), broker_time(closed.message)) == 1
    refused = [seen for run in runs for seen in tape.named(run, "StepFailed") if _kind(seen) == "circuit_open"]
    assert {seen.record.raw["failure"]["message"] for seen in refused} == {"Circuit breaker open"}
    assert len({seen.author for seen in refused}) > 1


def _kind(seen: Seen) -> str:
    kind: str = seen.record.raw["failure"]["kind"]
    return kind


async def test_a_circuit_goes_on_under_the_next_owner_when_its_owner_is_killed(
    cluster: Cluster, stub: StubServer
) -> None:
    question = f"Who looks after you? {uuid.uuid4().hex}"
    fails_until(stub, question)
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        owners = [cluster.start(name, roles="orchestrator", **SETTINGS) for name in ("one", "two")]
        worker = cluster.start("w", roles="lanes", lanes="claude", **SETTINGS)
        await cluster.ready(tape, worker, *owners)
        runs = [run_id("owner") for _ in range(6)]
        await asyncio.gather(*(publisher.start(run, pipeline(question, attempts=20)) for run in runs))
        opened = await decision(tape, 1, CircuitOpened)
        owner = next(one for one in owners if opened.author.startswith(f"{one.name}."))
        owner.kill()
        stub.reset_script()

        half = await decision(tape, 2, CircuitHalfOpened, within_s=60)
        assert not half.author.startswith(f"{owner.name}.")
        assert half.record.seq == (opened.record.seq or 0) + 1
        closed = await decision(tape, 3, CircuitClosed)
        for run in runs:
            await tape.completed(run, 90)
    assert calls(stub, question, broker_time(half.message), broker_time(closed.message)) == 1
