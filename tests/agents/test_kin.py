"""What runs tell each other: how a child ended, that nobody waits for one any more; again until it is heard."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest_asyncio
from elexirion.agents.decide_command import reject
from elexirion.agents.orchestrator import kin as kin_module
from elexirion.agents.orchestrator.follow import Followed
from elexirion.agents.orchestrator.kin import Kin
from elexirion.events import run, step
from elexirion.events.commands import CancelRun, ChildEnded, Parent, RunSource, StartRun
from elexirion.events.envelope import Record
from elexirion.events.failure import Failure
from elexirion.events.values import Inline
from elexirion.projections.partition import Accepted, Refused

from tests.agents.decide.given import Given, planned
from tests.projections.partition_log import RUN, START, PartitionLog, RunLog, failure

PARENT = Parent(run_id="above", step="p")
CHILD = "child-1"


class Sent:
    """Commands as they are published; `deaf` times nothing is acknowledged."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.deaf = 0
        self.heard = asyncio.Event()

    async def __call__(self, record: Record) -> bool:
        self.records.append(record)
        self.deaf -= 1
        if self.deaf < 0:
            self.heard.set()
        return self.deaf < 0


class Followers:
    """Kin behind a log: it reads each record as it is written."""

    def __init__(self) -> None:
        self.sent = Sent()
        self.kin = Kin(self.sent)

    def read(self, log: PartitionLog, record: Record) -> None:
        """A record of the log is read by its orchestrator."""
        before = log.fold.runs.get(record.run_id)
        refused = log.write(record)
        self.kin.after(Followed(record, Refused(refused) if refused else Accepted(1), before), log.fold)

    async def said(self, count: int = 1) -> list[Record]:
        """What is published then."""
        async with asyncio.timeout(5):
            while len(self.sent.records) < count:
                self.sent.heard.clear()
                await self.sent.heard.wait()
        return self.sent.records


@pytest_asyncio.fixture
async def followers() -> AsyncIterator[Followers]:
    found = Followers()
    running = asyncio.create_task(found.kin.run())
    yield found
    running.cancel()


def completed(log: RunLog) -> Record:
    """The end of a run."""
    return log.decision(run.RunCompleted(
        result=Inline(value="fine"), usage=log.state.usage, cost_usd=0.25, context_hash=""))  # fmt: skip


def waiting_parent() -> RunLog:
    """A run whose step waits for a child run."""
    log = RunLog("p")
    log.decide(run.ChildRunStarted(
        child_run_id=CHILD, command_id="c", relation="step", inputs={}, step="p", pipeline=Inline(), source=RunSource()
    ))  # fmt: skip
    return log


async def test_a_child_tells_its_parent_how_it_ended(followers: Followers) -> None:
    log = RunLog("a", run_id=CHILD, parent=PARENT)
    followers.read(log, completed(log))
    (told,) = await followers.said()
    assert (told.run_id, told.id) == ("above", f"{CHILD}/ended")
    assert told.data == ChildEnded(child_run_id=CHILD, step="p", status="completed", result=Inline(value="fine"))


async def test_a_child_that_failed_tells_why(followers: Followers) -> None:
    log = RunLog("a", run_id=CHILD, parent=PARENT)
    why = Failure(kind="auth", message="no key")
    followers.read(log, log.decision(run.RunFailed(failure=why, usage=log.state.usage, cost_usd=None, context_hash="")))
    (told,) = await followers.said()
    assert isinstance(told.data, ChildEnded)
    assert (told.data.status, told.data.failure) == ("failed", why)


async def test_a_run_without_a_parent_tells_nobody(followers: Followers) -> None:
    log, child = RunLog("a"), RunLog("a", run_id=CHILD, parent=PARENT)
    followers.read(log, completed(log))
    followers.read(child, completed(child))
    assert [record.run_id for record in await followers.said()] == ["above"]


async def test_a_parent_that_asks_again_is_told_again(followers: Followers) -> None:
    log = RunLog("a", run_id=CHILD, parent=PARENT)
    followers.read(log, completed(log))
    first, *_ = await followers.said()
    asked = next(record for record, _ in log.records if record.type == "CommandReceived")
    followers.read(log, asked)
    _, again = await followers.said(2)
    assert (again.id, again.data) == (first.id, first.data)


async def test_what_is_not_acknowledged_is_said_again(followers: Followers, monkeypatch: Any) -> None:
    monkeypatch.setattr(kin_module, "AGAIN_S", 0.0)
    followers.sent.deaf = 3
    log = RunLog("a", run_id=CHILD, parent=PARENT)
    followers.read(log, completed(log))
    assert [record.id for record in await followers.said(4)] == [f"{CHILD}/ended"] * 4


# Children that nobody waits for -----------------------------------------------------------------------------


def cancelled(records: list[Record]) -> list[str]:
    """The runs that are cancelled."""
    assert all(isinstance(record.data, CancelRun) for record in records)
    return [record.run_id for record in records]


async def test_a_parent_that_ended_cancels_the_child_it_waited_for(followers: Followers) -> None:
    log = waiting_parent()
    followers.read(log, completed(log))
    assert cancelled(await followers.said()) == [CHILD]


async def test_a_step_that_gave_its_child_up_cancels_it(followers: Followers) -> None:
    log = waiting_parent()
    followers.read(log, log.decision(step.StepRefused(step="p", failure=failure("step_error"))))
    assert cancelled(await followers.said()) == [CHILD]


async def test_a_run_that_handles_its_error_cancels_the_child_it_waited_for(followers: Followers) -> None:
    log = waiting_parent()
    followers.read(log, log.decision(run.ErrorHandlingStarted(failure=failure("auth"), handlers={"h": "test_echo"})))
    assert cancelled(await followers.said()) == [CHILD]


async def test_a_child_that_ended_is_not_cancelled(followers: Followers) -> None:
    log = waiting_parent()
    ended = ChildEnded(child_run_id=CHILD, step="p", status="completed", result=Inline(value=1))
    log.receive(ended, "e")
    followers.read(log, log.decision(run.ChildRunEnded(command_id="e", **ended.model_dump())))
    other = waiting_parent()
    followers.read(other, completed(other))
    assert len(await followers.said()) == 1, "only that of the other parent"


async def test_a_refused_record_means_nothing_to_anybody(followers: Followers) -> None:
    log = waiting_parent()
    followers.read(log, log.decision(step.StepRefused(step="p", failure=failure("step_error")), seq=99))
    followers.read(log, completed(log))
    assert len(await followers.said()) == 1


# Children that cannot start ---------------------------------------------------------------------------------


def refused_child(parent: Parent | None) -> tuple[PartitionLog, Record]:
    """A StartRun that waits for its outcome, and its rejection."""
    log = PartitionLog()
    log.receive(StartRun(pipeline="…", parent=parent), "c", CHILD)
    pending = log.fold.pending["c"]
    return log, reject(pending, "missing_inputs", "`topic` is needed", Given(planned("a")).facts())


async def test_a_child_that_is_refused_has_failed_for_its_parent(followers: Followers) -> None:
    log, rejected = refused_child(PARENT)
    followers.read(log, rejected)
    (told,) = await followers.said()
    assert isinstance(told.data, ChildEnded)
    assert (told.run_id, told.data.step, told.data.status) == ("above", "p", "failed")
    assert told.data.failure == Failure(kind="invalid_request", message="the child run was refused: `topic` is needed")


async def test_a_refused_child_is_told_of_by_whoever_takes_over_and_whenever_its_parent_asks(
    followers: Followers,
) -> None:
    log, rejected = refused_child(PARENT)
    log.write(rejected)
    followers.kin.take_over(log.fold)
    await followers.said(1)
    followers.read(log, log.records[0][0])
    assert [record.id for record in await followers.said(2)] == [f"{CHILD}/ended"] * 2


async def test_a_refused_run_without_a_parent_is_not_remembered() -> None:
    log, rejected = refused_child(None)
    log.write(rejected)
    assert log.fold.ended == {}


def test_a_refused_child_is_forgotten_with_the_commands_of_its_time() -> None:
    log, rejected = refused_child(PARENT)
    log.write(rejected)
    log.now += timedelta(days=8)
    log.receive(StartRun(pipeline="…"), "other", "run-9")
    assert log.fold.ended == {}


# Takeovers --------------------------------------------------------------------------------------------------


async def test_whoever_takes_over_says_again_what_may_not_have_been_said(followers: Followers) -> None:
    child, parent = RunLog("a", run_id=CHILD, parent=PARENT), waiting_parent()
    for log in (child, parent):
        log.write(completed(log))
        followers.kin.take_over(log.fold)
    assert [(record.type, record.run_id) for record in await followers.said(2)] == [
        ("ChildEnded", "above"), ("CancelRun", CHILD),
    ]  # fmt: skip


async def test_whoever_takes_over_cancels_what_an_open_run_gave_up(followers: Followers) -> None:
    log = RunLog("p", "q", start=START)
    log.decide(run.ChildRunStarted(
        child_run_id=CHILD, command_id="c", relation="step", inputs={}, step="p", pipeline=Inline()))  # fmt: skip
    log.decide(step.StepRefused(step="p", failure=failure("step_error")))
    followers.kin.take_over(log.fold)
    (record,) = await followers.said()
    assert (record.run_id, record.id) == (CHILD, f"{RUN}/cancel/{CHILD}")
