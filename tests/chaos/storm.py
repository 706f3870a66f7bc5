"""A storm: runs are published while the nemesis rages; it heals; every run has to complete, and the log to be sound."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from aiokafka.errors import KafkaError
from elexirion.events.catalog import TERMINAL_NAMES
from elexirion.projections.history.checker import Findings

from tests.chaos.broker import OwnBroker
from tests.chaos.history import examined
from tests.chaos.keeper import Keeper
from tests.chaos.nemesis import (
    BLACK_HOLE,
    BROKER_FREEZE,
    BROKER_KILL,
    CUT,
    DELAY,
    FREEZE,
    KILL,
    Misfortune,
    Nemesis,
)
from tests.chaos.proxy import proxies
from tests.e2e.cluster import Cluster, Publisher, run_id
from tests.e2e.tape import ENDS, Tape
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

PIECES = tuple(f"piece {number} " for number in range(1, 7))
SPEAKING_S = 0.6
STEPS = 5
PIPELINE = "name: storm\nsteps:\n" + "".join(
    f'  - {{name: s{n}, type: claude, prompt: [{{type: static, content: "Part {n}."}}]}}\n' for n in range(1, STEPS + 1)
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how many, how bad. A period of 0 s means never; `healed_within_s` is what the end is held against."""

    runs: int = 200
    minutes: float = 1.0
    seed: int = 1
    workers: int = 3
    orchestrators: int = 2
    kill_every_s: float = 2.0
    freeze_every_s: float = 0.0
    freeze_s: float = 15.0
    broker_kill_every_s: float = 0.0
    broker_freeze_every_s: float = 0.0
    broker_freeze_s: float = 8.0
    delay_every_s: float = 20.0
    black_hole_every_s: float = 30.0
    cut_every_s: float = 15.0
    slow_s: float = 6.0
    healed_within_s: float = 60.0

    def misfortunes(self) -> tuple[Misfortune, ...]:
        """Those of the plan; the rarer ones begin in the middle of their period."""
        periods = {
            KILL: self.kill_every_s, FREEZE: self.freeze_every_s, BROKER_KILL: self.broker_kill_every_s,
            BROKER_FREEZE: self.broker_freeze_every_s, DELAY: self.delay_every_s,
            BLACK_HOLE: self.black_hole_every_s, CUT: self.cut_every_s,
        }  # fmt: skip
        return tuple(Misfortune(name, every_s, every_s / 2) for name, every_s in periods.items() if every_s)


@dataclass(slots=True)
class Aftermath:
    """What a storm left: `ends` counts the runs' terminal events, `healed_s` the seconds from the heal to the last."""

    findings: Findings
    ends: Counter[str]
    open: list[str]
    healed_s: float
    did: Counter[str]
    exits: Counter[int]
    story: list[str] = field(repr=False)

    def told(self) -> str:
        """For people."""
        counts = self.findings.counts
        lines = [
            f"misfortunes: {dict(self.did)}; processes that died: {dict(self.exits)}",
            f"runs: {dict(self.ends)}, open {len(self.open)}; all ended {self.healed_s:.1f} s after the heal",
            f"log: {counts.events} events, {counts.refused} of them refused; {counts.chunks} chunks",
            f"provider: {counts.calls} calls for {sum(self.ends.values()) * STEPS} steps",
            f"violations: {len(self.findings.violations)}",
            *(f"  {one.kind} {one.run_id} {one.place}: {one.message}" for one in self.findings.violations[:20]),
        ]
        return "\n".join(lines)


async def storm(plan: Plan, cluster: Cluster, broker: OwnBroker, stub: StubServer) -> Aftermath:
    """Let it rage over the cluster, which has no processes yet."""
    stub.script(Rule(answer=Answer(chunks=PIECES, delay_chunk_s=SPEAKING_S / len(PIECES))))
    starts = {f"orchestrator-{n}": "orchestrator" for n in range(1, plan.orchestrators + 1)}
    starts |= {f"worker-{n}": "lanes" for n in range(1, plan.workers + 1)}
    async with proxies(broker) as ways, cluster.tape() as tape, cluster.publisher() as publisher:
        started = {
            name: partial(cluster.start, name, role, "claude,local", ELEXIRION_KAFKA=ways[role].address)
            for name, role in starts.items()
        }
        await cluster.ready(tape, *(start() for start in started.values()))
        await cluster.deciding(tape)
        nemesis = Nemesis(
            cluster, broker, random.Random(plan.seed), plan.misfortunes(), plan.freeze_s, plan.broker_freeze_s,
            ways, plan.slow_s,
        )  # fmt: skip
        async with Keeper(cluster, started) as keeper:
            runs, _ = await asyncio.gather(_publish(plan, publisher), nemesis.rage(plan.minutes * 60))
            healed = time.monotonic()
            still = await _ended(tape, runs, plan.healed_within_s)
            healed_s = time.monotonic() - healed
            if not still:  # what was found is told, also where it is too little
                await _at_rest(tape)
        findings = await examined(cluster.bootstrap, cluster.topics, stub.calls())
    return Aftermath(findings, _ends(tape, runs), still, healed_s, nemesis.did, keeper.ends, nemesis.story)


async def _publish(plan: Plan, publisher: Publisher) -> list[str]:
    """Start the runs evenly over nine tenths of the storm; a start that the broker did not answer is sent again."""
    runs, began = [run_id("storm") for _ in range(plan.runs)], time.monotonic()
    for number, run in enumerate(runs):
        await asyncio.sleep(max(0.0, began + number * plan.minutes * 54 / plan.runs - time.monotonic()))
        while True:
            try:
                await publisher.start(run, PIPELINE)
                break
            except KafkaError:
                await asyncio.sleep(0.5)
    return runs


async def _ended(tape: Tape, runs: list[str], within_s: float) -> list[str]:
    """Runs that have no end after all."""
    left, looked = set(runs), 0

    def none_left() -> bool:
        nonlocal looked
        left.difference_update(seen.record.run_id for seen in tape.events[looked:] if seen.record.type in ENDS)
        looked = len(tape.events)
        return not left

    try:
        await tape.until(none_left, within_s, "all runs end")
    except AssertionError:
        return sorted(left)
    return []


async def _at_rest(tape: Tape) -> None:
    """Until nobody holds an execution any more, so that no late report is under way."""
    await tape.until(
        lambda: not any(beat.held for beat in tape.heartbeats().values()), 30, "no execution is held any more"
    )


def _ends(tape: Tape, runs: list[str]) -> Counter[str]:
    """The accepted terminal events of the runs, by the verdicts of the partitions' folds."""
    ours = set(runs)
    return Counter(seen.record.type for seen in tape.counted(*TERMINAL_NAMES) if seen.record.run_id in ours)
