"""Turns go out once in a life, before anything more is decided, and again from the next orchestrator."""

from typing import cast

import pytest
from elexirion.agents.orchestrator.answering import RunPlans
from elexirion.agents.orchestrator.run_plan import TryLimits, plan_of
from elexirion.agents.orchestrator.session_log import SessionLog, SessionUnreadableError
from elexirion.agents.orchestrator.session_writer import SessionWriter
from elexirion.agents.plan import RunPlan
from elexirion.events import step
from elexirion.events.envelope import Record
from elexirion.events.identifiers import session_run_id
from elexirion.events.values import Inline
from elexirion.projections.run_state import RunState

from tests.agents.running import pipeline_of
from tests.projections.partition_log import RUN, WORKER, RunLog

SESSION = session_run_id("tutor", offline=False)
PIPELINE = pipeline_of(
    {
        "name": "a",
        "type": "claude_session",
        "prompt": "x",
        "session_config": {"session_name": "tutor", "persist": True},
    },
    {"name": "b", "type": "claude_session", "prompt": "x", "session_config": {"session_name": "own"}},
)
TURNS = [{"user": "u", "assistant": "a"}]
IDS = [f"{SESSION}/start", f"{RUN}/a#1/turns"]


class World:
    """Plans, a broker and a session: all that a writer deals with. `accepts` says whether commands get through."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.accepts = True
        self.decided_ids: set[str] = set()
        self.readable = True
        self.plannable = True
        self.writer = self.another_life()

    def another_life(self) -> SessionWriter:
        """A writer that remembers nothing."""
        return SessionWriter(cast(RunPlans, self), self._send, cast(SessionLog, self))

    def plan(self, state: RunState) -> RunPlan:
        if not self.plannable:
            raise ValueError("the definition cannot be read")
        return plan_of(PIPELINE, TryLimits())

    async def decided(self, run_id: str, command_id: str) -> bool:
        if not self.readable:
            raise SessionUnreadableError("no broker")
        return run_id == SESSION and command_id in self.decided_ids

    async def _send(self, record: Record) -> bool:
        self.sent.append(record.id)
        return self.accepts


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def state() -> RunState:
    """A run in which the step that shares and the one that does not said something."""
    log = RunLog("a", "b", definition=PIPELINE.definition())
    for name in ("a", "b"):
        log.schedule(name)
        execution, said = log.execution(name), Inline(value=TURNS)
        done = step.StepCompleted(execution_id=execution, incarnation=WORKER, result=Inline(value="a"), turns=said)
        log.report(done)
    return log.state


async def test_only_what_is_shared_is_published_and_once_in_a_life(world: World, state: RunState) -> None:
    assert await world.writer.publish(state)
    assert await world.writer.publish(state)
    assert world.sent == IDS


async def test_nothing_counts_as_published_before_it_is_acknowledged(world: World, state: RunState) -> None:
    world.accepts = False
    assert not await world.writer.publish(state)
    assert not await world.writer.settle(state)
    world.accepts = True
    assert await world.writer.publish(state)
    assert world.sent[-2:] == IDS


async def test_a_run_goes_on_once_its_session_has_decided(world: World, state: RunState) -> None:
    assert not await world.writer.settle(state)
    world.readable = False
    assert not await world.writer.settle(state)
    world.readable = True
    world.decided_ids.add(IDS[-1])
    assert await world.writer.settle(state)
    world.readable = False
    assert await world.writer.settle(state), "what is settled is not asked for again"
    assert world.sent == IDS


async def test_the_next_orchestrator_says_it_again(world: World, state: RunState) -> None:
    await world.writer.publish(state)
    await world.another_life().publish(state)
    assert world.sent == IDS + IDS


async def test_an_ended_run_leaves_nothing_behind_in_memory(world: World, state: RunState) -> None:
    await world.writer.publish(state)
    world.writer.forget(state)
    await world.writer.publish(state)
    assert world.sent == IDS + IDS


async def test_a_run_whose_pipeline_cannot_be_read_any_more_can_still_be_ended(world: World, state: RunState) -> None:
    world.plannable = False
    assert await world.writer.publish(state)
    world.writer.forget(state)
    assert world.sent == []
