"""A process dies, raises, freezes or dawdles at each named place: the run has one end, and log and ledger agree.

All processes are armed with the whole table; each row belongs to the run whose id it names, and fires once.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from elexirion.agents.failpoints import MARKED_IN, POINTS, SPECIFIED_BY, Action, Failpoint, Point
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.events.identifiers import ExecutionId
from elexirion.projections.context import context_hash
from pydantic import TypeAdapter

from tests.chaos.keeper import Keeper
from tests.e2e.cluster import Cluster, run_id
from tests.e2e.tape import Tape
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer, Rule

LEASE_S = 3.0
ENDS_WITHIN_S = 60.0
PIECES = tuple(f"piece {number} " for number in range(1, 9))
ASKING = """\
name: asking
steps:
  - {name: ask, type: claude, prompt: [{type: static, content: "Tell me."}], retry: {base_delay_ms: 100}}
  - {name: after, type: test_echo, value: "{{ ask }}"}
"""
PROCESSES = {
    "ELEXIRION_LEASE_S": str(LEASE_S),
    "ELEXIRION_LEASE_MARGIN_S": "1",
    "ELEXIRION_GROUP_SESSION_TIMEOUT_S": "2",
    "ELEXIRION_POISON_CRASHES": "0",
}


def _row(at: Point, do: Action, nth: int = 1) -> Failpoint:
    return Failpoint(at=at, do=do, nth=nth, run=run_id(f"{at}-{do}"), seconds=LEASE_S * 1.5)


NTH: dict[Point, int] = {"execution.streaming": 3, "decision.sent": 2, "dispatch.unsent": 2}
FROZEN: tuple[Point, ...] = ("decision.unsent", "dispatch.unsent", "execution.streaming", "execution.result_unsent")
SLOW: tuple[Point, ...] = ("decision.sent", "execution.request_recorded")
IN_THE_STEP: frozenset[Point] = frozenset(
    {
        "execution.started_sent", "execution.started_acked", "execution.request_recorded", "execution.request_sent",
        "execution.streaming",
    }
)  # fmt: skip
"""Where the step's own code runs: what it raises is the step's failure, of a kind that is not tried again."""
DEADLY = [_row(at, "kill", NTH.get(at, 1)) for at in POINTS] + [_row(at, "stop") for at in FROZEN]
HARMLESS = [_row(at, "raise") for at in POINTS] + [_row(at, "sleep") for at in SLOW]
WAVES = [HARMLESS, *(DEADLY[start :: len(POINTS) // 3] for start in range(len(POINTS) // 3))]
"""Rows that are tried together. Those of the first end no execution but their own."""
ROWS = [row for rows in WAVES for row in rows]

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Suffered:
    """What the whole table left behind."""

    tape: Tape
    marks: Path
    calls: list[StubCall]
    logs: str


@pytest.fixture(scope="module")
def suffered(
    kafka: str, providers: dict[str, str], stub_process: StubServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Suffered]:
    """Every run of the table, one wave after another, on processes with all roles."""
    stub_process.reset()
    stub_process.script(Rule(answer=Answer(chunks=PIECES, delay_chunk_s=0.03)))
    marks = tmp_path_factory.mktemp("marks")
    armed = {SPECIFIED_BY: TypeAdapter(list[Failpoint]).dump_json(ROWS).decode(), MARKED_IN: str(marks)}
    with Cluster(kafka, tmp_path_factory.mktemp("armed"), {**providers, **PROCESSES, **armed}) as cluster:
        tape = asyncio.run(_suffer(cluster, marks))
        logs = "\n".join(f"--- {worker.name}\n{worker.last_lines()}" for worker in cluster.workers.values())
        yield Suffered(tape, marks, stub_process.calls(), logs)


async def _suffer(cluster: Cluster, marks: Path) -> Tape:
    starts = {name: partial(cluster.start, name) for name in ("one", "two", "three")}
    async with cluster.tape() as tape, cluster.publisher() as publisher:
        await cluster.ready(tape, *(start() for start in starts.values()))
        async with Keeper(cluster, starts):
            for rows in WAVES:
                for row in rows:
                    await publisher.start(row.run, ASKING)
                with suppress(AssertionError):  # the test of the row tells it
                    await tape.until(partial(_ended, tape, rows), ENDS_WITHIN_S, "the runs end")
                _revive(marks, rows)
    return tape


def _ended(tape: Tape, rows: list[Failpoint]) -> bool:
    return all(tape.accepted(row.run, *TERMINAL_NAMES) for row in rows)


def _revive(marks: Path, rows: list[Failpoint]) -> None:
    """Those that froze go on as zombies; what they held was given to others long ago."""
    for row in rows:
        if row.do == "stop" and (marks / row.mark).exists():
            pid, _, _ = (marks / row.mark).read_text().split(" ", 2)
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGCONT)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.at}-{row.do}")
def test_a_run_has_one_end_whatever_happens_there(row: Failpoint, suffered: Suffered) -> None:
    tape = suffered.tape
    assert (suffered.marks / row.mark).exists(), f"the failpoint never fired\n{suffered.logs}"
    assert tape.accepted(row.run, *TERMINAL_NAMES), f"the run did not end\n{tape.of_run(row.run)}\n{suffered.logs}"

    [end] = tape.accepted(row.run, *TERMINAL_NAMES)
    if row.do == "raise" and row.at in IN_THE_STEP:
        assert end.type == "RunFailed"
        assert end.raw["failure"]["kind"] == "internal"
    else:
        assert end.type == "RunCompleted"
        assert end.raw["result"]["value"] == "".join(PIECES)
        assert end.raw["context_hash"] == context_hash(tape.state(row.run))
        results = Counter(
            ExecutionId.parse(r.raw["execution_id"]).step for r in tape.accepted(row.run, "StepCompleted")
        )
        assert results == {"ask": 1, "after": 1}
    _ledger_and_log_agree(row.run, suffered)


def _ledger_and_log_agree(run: str, suffered: Suffered) -> None:
    """No call was made twice, each made call was recorded first, and each recorded answer was given."""
    made = Counter(call.asked.call_id for call in suffered.calls if (call.asked.call_id or "").startswith(f"{run}/"))
    assert not [id for id, count in made.items() if count > 1]
    asked = [seen.record.raw["call_id"] for seen in suffered.tape.named(run, "ProviderRequested")]
    assert len(asked) == len(set(asked))
    assert set(made) <= set(asked)
    answered = {seen.record.raw["call_id"] for seen in suffered.tape.named(run, "ProviderResponded")}
    assert answered <= set(made)
