"""One world: two orchestrators, three workers, twenty runs and more, and everything that goes wrong until it heals."""

import asyncio
import gc
import hashlib
import random as the_random
import re
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

import orjson
from aiokafka import TopicPartition
from elexirion.agents.settings import Settings
from elexirion.events.identifiers import ExecutionId
from elexirion.events.topics import Topics
from elexirion.projections.history.checker import Findings, examine
from elexirion.projections.history.records import Call, History, Written
from elexirion.projections.history.violation import Violation

from tests.simulation.ledger import Ledger
from tests.simulation.machines import Machine
from tests.simulation.memory_log import MemoryBroker
from tests.simulation.nemesis import Nemesis
from tests.simulation.reading import OpenRuns, read_once
from tests.simulation.users import Users
from tests.simulation.virtual_time import BEGINNING, VirtualLoop, run_world
from tests.simulation.weather import Weather

ASKED_FOR = 16
RUNS = 20
"""So many there are with the children of these and what a schedule fires; where not, more are asked for in the end."""
EVERY_WORLD = ("kills", "zombies")
"""What happens in each world at least once."""
STARTED_WITHIN_S = 8.0
CHAOS_S = 14.0
HEALED_WITHIN_S = 120.0
LOOK_EVERY_S = 1.0
END = re.compile(rb'\{"type":"(RunCompleted|RunFailed|RunCancelled|RunQuarantined)"')
NOT_THE_LAST_WORD = frozenset({"run_open", "command_without_outcome", "command_lost"})
"""What a check at rest finds while work is still under way."""

GAPS = frozenset({"decision_missing", "chunk_missing", "not_started"})
"""What a check finds of a log that lost records whose writers were told so."""
ACROSS_TOPICS = frozenset({"chunk_out_of_time"})
"""Chunks and events stand on different topics: where one of the two is late, their times say nothing of their order."""


def settings_of_a_world() -> Settings:
    """Times are a third of the real ones or less, so that a world is soon over."""
    return Settings(
        _env_file=None, topic_prefix="sim.", events_partitions=3, lane_partitions=3, claude_slots=4, local_slots=6,
        heartbeat_interval_s=0.5, lease_s=3.0, lease_margin_s=0.9, dispatch_timeout_s=2.0, read_back_timeout_s=1.5,
        drain_s=1.0, watchdog_s=0.0, anthropic_api_key="simulated",
    )  # type: ignore[call-arg]  # fmt: skip


@dataclass
class Outcome:
    """How a world ended; `log` is a hash over all that stands in it."""

    seed: int
    violations: list[str]
    log: str
    counts: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    cpu_s: float = 0.0


class World:
    """All of it."""

    def __init__(self, seed: int, loop: VirtualLoop, **settings: Any) -> None:
        self.seed, self.loop = seed, loop
        self.settings = settings_of_a_world().model_copy(update=settings)
        self.topics = Topics(self.settings.topic_prefix)
        self.weather = Weather(self._random("weather"), loop.time, loses=seed % 4 == 0)
        self.broker = MemoryBroker(self.weather, self._now, loop.world)
        self._open = OpenRuns(self.broker, self.topics.events)
        self.ledger = Ledger(self._random("ledger"))
        self.workers = [self._machine(f"w{n}", "lanes") for n in range(3)]
        self.orchestrators = [self._machine(f"o{n}", "orchestrator") for n in range(2)]
        self.users = Users(loop, self.broker, self.topics, self.settings.events_partitions, self._random("users"))
        self.nemesis = Nemesis(
            loop, self.broker, self.weather, self.workers, self.orchestrators, self.settings.lease_s,
            self._random("nemesis"),
        )  # fmt: skip

    def _random(self, what: str) -> Random:
        return Random(f"{self.seed}/{what}")

    def _now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.loop.time())

    def _machine(self, name: str, role: str) -> Machine:
        roles = frozenset({role})
        return Machine(name, roles, self.settings, self.loop, self.broker, self.ledger, self._random(name))  # type: ignore[arg-type]

    @property
    def machines(self) -> list[Machine]:
        """All places where processes live."""
        return [*self.orchestrators, *self.workers]

    async def live(self) -> Findings:
        """Chaos, then healing, then rest; what is found when nothing moves any more, or too late."""
        for machine in self.machines:
            machine.start()
        self.users.begin(ASKED_FOR, STARTED_WITHIN_S)
        self.nemesis.begin(CHAOS_S - 2.0)
        await asyncio.sleep(CHAOS_S)
        self.heal()
        end = self.loop.time() + HEALED_WITHIN_S
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._open.any(self.users.started) or self.loop.time() > end:
                found = self.examine()
                unfinished = any(v.kind in NOT_THE_LAST_WORD for v in found.violations)
                if not unfinished or self.loop.time() > end:
                    return found

    def heal(self) -> None:
        """From now on nothing more goes wrong."""
        self.users.begin_late(RUNS - self._open.begun())
        self.weather.heal()
        for machine in self.machines:
            machine.heal()
        for group in self.broker.groups.values():
            group.rebalance()
        for after_s in (0.5, 4.0, 9.0):
            self.loop.later(after_s, self._resume_all)

    def _resume_all(self) -> None:
        self.users.resume(self.open_runs())

    # -- looking

    def written(self, topic: str) -> Iterator[Written]:
        """All records of a topic."""
        for partition in range(self.broker.count(topic)):
            for message in self.broker.log(TopicPartition(topic, partition)).messages:
                at = datetime.fromtimestamp(message.timestamp / 1000, UTC)
                yield Written(topic, partition, message.offset, at, message.value, message.key)

    def open_runs(self) -> list[str]:
        """Runs that users asked for and that have no end; whether all ended well is for the checker to say."""
        return self._open.among(self.users.started)

    def ends(self) -> dict[bytes | None, str]:
        """Each run that has something that may be its end, with the last of it."""
        ends: dict[bytes | None, str] = {}
        for partition in range(self.broker.count(self.topics.events)):
            for message in self.broker.log(TopicPartition(self.topics.events, partition)).messages:
                end = END.match(message.value or b"")
                if end:
                    ends[message.key] = end[1].decode()
        return ends

    def examine(self) -> Findings:
        """What the history checker says of the log and the ledger."""
        topics = self.topics
        return examine(
            History(
                events=self.written(topics.events),
                commands=self.written(topics.commands),
                chunks=self.written(topics.chunks),
                dead_letters=self.written(topics.dead_letters),
                calls=[Call(made.call_id, "counting") for made in self.ledger.calls],
                at_rest=True,
            )
        )

    def misplaced_calls(self) -> Iterator[Violation]:
        """Calls of an incarnation that their execution did not name."""
        named = executions_named(self.written(self.topics.events))
        for made in self.ledger.calls:
            execution_id = made.call_id.rpartition("/")[0]
            if made.incarnation not in named.get(execution_id, ()):
                message = f"{made.incarnation} made the call {made.call_id}, for which it was not named"
                yield Violation("called_by_another", message, ExecutionId.parse(execution_id).run_id)

    def log_hash(self) -> str:
        """Two worlds of one seed have the same."""
        said = hashlib.sha256()
        for topic in sorted(self.broker.names()):
            for partition in range(self.broker.count(topic)):
                for message in self.broker.log(TopicPartition(topic, partition)).messages:
                    said.update(f"{topic}/{partition}/{message.timestamp}".encode() + (message.value or b"-"))
        return said.hexdigest()[:16]


def executions_named(events: Iterator[Written]) -> dict[str, set[str]]:
    """Which incarnations each execution was scheduled for."""
    named: dict[str, set[str]] = {}
    for written in events:
        if written.value and b'"StepScheduled"' in written.value[:60]:
            data = orjson.loads(written.value)["data"]
            named.setdefault(data["execution_id"], set()).add(data["incarnation"])
    return named


def simulate(seed: int) -> Outcome:
    """Live through one world."""
    with quiet_deaths():
        return _lived(seed)


def _lived(seed: int) -> Outcome:
    began = time.process_time()
    loop, ids = VirtualLoop(), Random(f"{seed}/ids")
    the_random.seed(seed)

    def next_id() -> uuid.UUID:
        return uuid.UUID(int=ids.getrandbits(128), version=4)

    gc.freeze()  # modules are looked at never again
    gc.disable()  # what it finds runs `finally` blocks at moments that no seed decides
    try:
        exits = mock.patch("os._exit", loop.exit)
        with exits, mock.patch("time.monotonic", loop.time), mock.patch("uuid.uuid4", next_id), read_once():
            world = World(seed, loop)
            found = run_world(loop, world.live())
    finally:
        gc.enable()
    outcome = Outcome(seed, _told(world, found), world.log_hash(), _counts(world, found), loop.time())
    del world, loop, found
    gc.collect()
    outcome.cpu_s = time.process_time() - began
    return outcome


@contextmanager
def quiet_deaths() -> Iterator[None]:
    """The dead do not end in good order, and nobody needs to hear of it."""
    with mock.patch("sys.unraisablehook", lambda _: None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _told(world: World, found: Findings) -> list[str]:
    violations = [*found.violations, *world.misplaced_calls()]
    excused = {*ACROSS_TOPICS, *(GAPS if world.weather.loses else ())}
    told = [f"{one.kind}: {one.message}" for one in violations if one.kind not in excused]
    told += [f"nothing_tested: there were no {name}" for name in EVERY_WORLD if not world.nemesis.done[name]]
    if found.counts.runs < RUNS:
        told.append(f"nothing_tested: there were {found.counts.runs} runs")
    told += [f"process_ended: {end}" for machine in world.machines for end in machine.ends]
    return told + [f"unhandled: {crash}" for crash in world.loop.crashes if not _of_the_dead(crash)]


def _of_the_dead(crash: dict[str, Any]) -> bool:
    """An answer for a task that was killed while it waited for it."""
    return crash["message"] == "Future exception was never retrieved"


def _counts(world: World, found: Findings) -> Counter[str]:
    counts: Counter[str] = Counter(world.nemesis.done)
    ended = Counter(world.ends().values())
    counts["completed"], counts["failed"], counts["cancelled"] = (
        ended[kind] for kind in ("RunCompleted", "RunFailed", "RunCancelled")
    )
    counts["runs"], counts["events"] = found.counts.runs, found.counts.events
    counts["refused"], counts["duplicates"] = found.counts.refused, world.broker.duplicated
    counts["moves"] = sum(group.moves for group in world.broker.groups.values())
    counts["lost heartbeats"], counts["lost appends"] = world.weather.lost_beats, world.broker.cut
    counts["calls"], counts["commands"] = found.counts.calls, found.counts.commands
    return counts
