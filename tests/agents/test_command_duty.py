"""Commands in the log get their one outcome, and none of them keeps the others from theirs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from elexirion.agents.decide import Facts
from elexirion.agents.decide_command import Checked, Loadable
from elexirion.agents.evaluated import Answer, Joined
from elexirion.agents.kafka.errors import RecordTooLargeError
from elexirion.agents.orchestrator.command_duty import CommandDuty
from elexirion.agents.orchestrator.desk import RunDesk
from elexirion.agents.orchestrator.partitions import Owned, Partitions
from elexirion.agents.plan import RunPlan
from elexirion.agents.questions import AboutChild, AboutStep, Question
from elexirion.events import run
from elexirion.events.commands import CancelRun, ChildEnded, StartRun
from elexirion.events.envelope import Record, UnknownData
from elexirion.events.values import Inline
from elexirion.projections.run_state import RunState

from tests.agents.decide.given import Given, planned, rendered
from tests.projections.partition_log import RUN, PartitionLog, RunLog, definition, received

PLAN = RunPlan((planned("a"),))
STRAY = "stray"


class World:
    """The desk, the plans and the partitions of a duty over one log; `trouble` may raise before each answer."""

    def __init__(self, log: PartitionLog) -> None:
        self.log = log
        self.trouble: Callable[[object], None] = lambda about: None
        self.sessions = SimpleNamespace(publish=self._published)
        self.written: list[list[str]] = []
        self.owned = {0: Owned(log.fold, caught_up=True)}

    async def decide(self) -> list[list[str]]:
        """Let the duty decide until no command waits; the types of what it wrote, by command."""
        duty = CommandDuty(cast(RunDesk, self), self, self, cast(Partitions, self))
        duty.due(0)
        running = asyncio.create_task(duty.run())
        async with asyncio.timeout(5):
            while self.log.fold.pending and not running.done():  # noqa: ASYNC110  # the duty of a test sets no event
                await asyncio.sleep(0.001)
        assert not running.done(), running.exception()
        running.cancel()
        return self.written

    # -- the desk

    def busy(self, run_id: str) -> bool:
        return False

    def belongs(self, run_id: str, partition: int) -> bool:
        return run_id != STRAY

    def facts(self, state: RunState | None) -> Facts:
        return Given(planned("a")).facts()

    def most(self, run_id: str, lanes: set[str]) -> dict[str, int]:
        return {}

    async def append(self, run_id: str, records: list[Record]) -> None:
        self.written.append([record.type for record in records])
        for record in records:
            assert self.log.write(record) is None, record

    async def _published(self, state: RunState) -> bool:
        return True

    # -- plans and checker

    def check(self, command: StartRun) -> Checked:
        self.trouble(command)
        return Loadable("sample", definition("a"), "d" * 64, {})

    def plan(self, state: RunState) -> RunPlan:
        self.trouble(state.run_id)
        return PLAN

    def quick(self, state: RunState, question: Question) -> bool:
        return True

    async def answer(self, state: RunState, question: Question) -> Answer:
        self.trouble(question)
        match question:
            case AboutStep(path):
                return rendered(path)
            case AboutChild():
                return Joined(Inline(value="as wanted"))
            case _:
                raise AssertionError(question)


def raising(kind: type[object]) -> Callable[[object], None]:
    """Trouble with everything of a kind."""

    def trouble(about: object) -> None:
        if isinstance(about, kind):
            raise KeyError("nobody thought of this")

    return trouble


def starts(*run_ids: str) -> World:
    log = PartitionLog()
    for run_id in run_ids:
        log.receive(StartRun(pipeline="…"), f"start {run_id}", run_id)
    return World(log)


def with_ended_child() -> World:
    log = RunLog("p")
    log.decide(run.ChildRunStarted(
        child_run_id="child", command_id="c", relation="step", inputs={}, step="p", pipeline=Inline()
    ))  # fmt: skip
    log.receive(ChildEnded(child_run_id="child", step="p", status="completed", result=Inline(value="raw")), "e")
    return World(log)


async def test_a_run_starts_together_with_its_first_steps() -> None:
    assert await starts("one", "two").decide() == [["RunStarted", "StepScheduled"]] * 2


@pytest.mark.parametrize("kind", [str, AboutStep])
async def test_a_run_whose_first_steps_cannot_be_decided_starts_without_them(kind: type[object]) -> None:
    world = starts("one")
    world.trouble = raising(kind)
    assert await world.decide() == [["RunStarted"]]


async def test_a_command_that_cannot_be_decided_is_rejected_and_the_next_one_is_decided() -> None:
    world = starts("one", "two")
    once: list[Any] = []

    def trouble(about: object) -> None:
        if isinstance(about, StartRun) and not once:
            once.append(about)
            raise RecursionError

    world.trouble = trouble
    assert await world.decide() == [["CommandRejected"], ["RunStarted", "StepScheduled"]]
    assert "RecursionError" in world.log.records[-3][0].raw["reason"]


async def test_a_command_on_a_partition_that_is_not_its_runs_is_left_alone() -> None:
    world = starts(STRAY, "one")
    deciding = asyncio.create_task(world.decide())
    while not world.written:  # noqa: ASYNC110  # the duty of a test sets no event
        await asyncio.sleep(0.001)
    deciding.cancel()
    assert world.written == [["RunStarted", "StepScheduled"]]
    assert list(world.log.fold.pending) == [f"start {STRAY}"]


async def test_a_command_of_a_type_that_nobody_here_knows_is_rejected() -> None:
    log = PartitionLog()
    record = received(CancelRun(), "c", RUN, log.now)
    unknown = record.data.model_copy(update={"command_type": "DanceRun"})  # type: ignore[union-attr]
    log.write(type(record)(**{**fields_of(record), "data": unknown, "raw": unknown.model_dump(mode="json")}))
    assert await World(log).decide() == [["CommandRejected"]]


def fields_of(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


async def test_the_end_of_a_child_is_taken_as_its_step_wants_it() -> None:
    world = with_ended_child()
    assert await world.decide() == [["ChildRunEnded"]]
    assert world.log.fold.runs[RUN].steps["p"].result == Inline(value="as wanted")


async def test_a_child_whose_result_cannot_be_taken_fails_its_step() -> None:
    world = with_ended_child()
    world.trouble = raising(AboutChild)
    assert await world.decide() == [["ChildRunEnded"]]
    known = world.log.fold.runs[RUN].steps["p"]
    assert known.status == "failed"
    assert known.failure and known.failure.kind == "internal"


async def test_a_run_whose_start_cannot_be_folded_is_rejected_once_that_is_known() -> None:
    world = starts("one", "two")
    world.log.fold.broken["one"] = "RunStarted at offset 5 could not be folded: KeyError"
    assert await world.decide() == [["CommandRejected"], ["RunStarted", "StepScheduled"]]
    rejected = world.log.records[2][0]
    assert "could not be folded" in rejected.raw["reason"]
    assert not world.log.fold.broken


@pytest.mark.parametrize("error", [RecordTooLargeError("a record is larger than the limit"), TypeError("too deep")])
async def test_a_command_whose_outcome_no_record_can_hold_is_rejected_and_the_next_one_is_decided(
    error: Exception,
) -> None:
    world = starts("one", "two")
    append = world.append

    async def refusing(run_id: str, records: list[Record]) -> None:
        if run_id == "one" and records[0].type == "RunStarted":
            raise error
        await append(run_id, records)

    world.append = refusing  # type: ignore[method-assign]
    assert await world.decide() == [["CommandRejected"], ["RunStarted", "StepScheduled"]]
    assert str(error) in world.log.records[2][0].raw["reason"]


async def test_commands_to_a_run_of_a_newer_program_wait_and_the_others_get_their_outcome() -> None:
    log = RunLog("a")
    newer = replace(log.decision(log.scheduled()), version=999, data=UnknownData("StepScheduled", 999))
    assert log.write(newer) == "newer_version"
    log.receive(CancelRun(), "held")
    log.receive(CancelRun(), "no such run", "run-2")
    world = World(log)
    duty = CommandDuty(cast(RunDesk, world), world, world, cast(Partitions, world))
    duty.due(0)
    running = asyncio.create_task(duty.run())
    async with asyncio.timeout(5):
        while len(log.fold.pending) > 1:  # noqa: ASYNC110  # the duty of a test sets no event
            await asyncio.sleep(0.001)
    running.cancel()
    assert world.written == [["CommandRejected"]]
    assert list(log.fold.pending) == ["held"]
