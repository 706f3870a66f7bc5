"""The history of a shared session: that of its log, and then what the run itself said and is not in there."""

from typing import Any

import pytest
from elexirion.agents.orchestrator.located import locate
from elexirion.agents.orchestrator.session_history import histories
from elexirion.agents.orchestrator.step_views import StepViews
from elexirion.events import step
from elexirion.events.session import Turn, TurnsSaid
from elexirion.events.values import Inline, Stored, Value
from elexirion.pipelines.schema import Pipeline

from tests.agents.running import pipeline_of
from tests.projections.partition_log import RUN, WORKER, RunLog

LARGE = Stored(sha256="s" * 64, size=700_000, parts=4, partition=2, offset=9)
PIPELINE = pipeline_of(
    *({"name": name, "type": "claude_session", "prompt": "x", "session_config": {"session_name": "talk"}}
      for name in ("a", "b", "c")),
    {"name": "alone", "type": "claude_session", "prompt": "x"},
    {"name": "last", "type": "claude_session", "prompt": "x"},
)  # fmt: skip


def turn(text: str) -> dict[str, str]:
    return {"user": text, "assistant": f"{text}!"}


def shared(execution: str | None, *texts: str) -> TurnsSaid:
    return TurnsSaid(turns=tuple(Turn.model_validate(turn(text)) for text in texts), execution_id=execution)


async def _load(value: Value) -> Any:
    assert value == LARGE
    return [turn("large")]


@pytest.fixture
def log() -> RunLog:
    """A run whose steps a, b and alone said their names."""
    log = RunLog("a", "b", "c", "alone", "last", definition=PIPELINE.definition())
    for name in ("a", "b", "alone"):
        log.schedule(name)
        said = Inline(value=[turn(name)])
        log.report(step.StepCompleted(
            execution_id=log.execution(name), incarnation=WORKER, result=Inline(value="x"), turns=said,
        ))  # fmt: skip
    return log


async def told(log: RunLog, *sessions: TurnsSaid, pipeline: Pipeline = PIPELINE) -> dict[str, list[str]]:
    """What is said in each session when the last step asks; `sessions` are what the log of `talk` holds."""
    asking = locate(pipeline, "last")
    found = await histories(log.state, pipeline, asking, StepViews(_load), {"talk": sessions} if sessions else {})
    return {name: [one["user"] for one in turns] for name, turns in found.items()}


async def test_a_run_that_shares_nothing_has_its_own_history(log: RunLog) -> None:
    assert await told(log) == {"talk": ["a", "b"], "alone": ["alone"]}


async def test_what_others_said_comes_in_the_order_of_the_log_and_own_turns_where_they_stand_there(log: RunLog) -> None:
    sessions = (shared("run-0/x#1", "x1", "x2"), shared(f"{RUN}/b#1", "b"), shared(None, "by hand"))
    assert await told(log, *sessions) == {"talk": ["x1", "x2", "b", "by hand", "a"], "alone": ["alone"]}


@pytest.mark.parametrize("there", [(), ("a",), ("a", "b"), ("b", "a")])
async def test_no_own_turn_is_lost_or_told_twice(log: RunLog, there: tuple[str, ...]) -> None:
    sessions = [shared("run-0/x#1", "x"), *(shared(f"{RUN}/{name}#1", name) for name in there)]
    said = (await told(log, *sessions))["talk"]
    assert said[: 1 + len(there)] == ["x", *there]
    assert sorted(said) == ["a", "b", "x"]


async def test_what_a_session_forgot_is_not_told_by_the_run_that_said_it(log: RunLog) -> None:
    assert (await told(log, shared(f"{RUN}/a#1"), shared("run-0/x#1", "x")))["talk"] == ["x", "b"]


async def test_turns_that_are_stored_elsewhere_are_fetched(log: RunLog) -> None:
    sessions = (TurnsSaid(turns=LARGE, execution_id="run-0/x#1"), shared(f"{RUN}/a#1", "a"))
    assert (await told(log, *sessions))["talk"] == ["large", "a", "b"]


async def test_a_session_that_only_others_carry_on_has_a_history_too() -> None:
    alone = pipeline_of({"name": "last", "type": "test_echo", "value": 1})
    log = RunLog("last", definition=alone.definition())
    assert await told(log, shared("run-0/x#1", "x"), pipeline=alone) == {"talk": ["x"]}
