"""What the orchestrator answers about steps that take the history of a shared session."""

from typing import Any, cast

import pytest
from elexirion.agents.evaluated import NotPossible, Rendered
from elexirion.agents.evaluation import BoundedEvaluator
from elexirion.agents.orchestrator.plans import Plans
from elexirion.agents.orchestrator.session_log import SessionLog, SessionUnreadableError
from elexirion.agents.questions import AboutStep
from elexirion.agents.settings import Settings
from elexirion.events.identifiers import session_run_id
from elexirion.events.session import Turn, TurnsSaid
from elexirion.events.values import Inline, Value
from elexirion.projections.run_state import RunState

from tests.agents.running import pipeline_of
from tests.projections.partition_log import RunLog

CONTEXT = {"type": "session_context", "session_id": "{{ which }}", "persist": True}
PIPELINE = pipeline_of(
    {"name": "talk", "type": "claude_session", "prompt": "And?",
     "session_config": {"session_name": "tutor", "persist": True}},
    {"name": "sum", "type": "claude", "prompt": [CONTEXT]},
    {"name": "plain", "type": "claude", "prompt": "hello"},
)  # fmt: skip
TOLD = (TurnsSaid(turns=(Turn(user="My cat is Mia.", assistant="A fine name."),), execution_id="run-0/a#1"),)


class Sessions:
    """The sessions of the log; only `tutor` was ever used."""

    def __init__(self) -> None:
        self.readable = True
        self.offline = False

    async def told(self, run_id: str) -> tuple[TurnsSaid, ...]:
        if not self.readable:
            raise SessionUnreadableError("no broker answers")
        return TOLD if run_id == session_run_id("tutor", offline=self.offline) else ()


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def plans(sessions: Sessions) -> Plans:
    async def load(value: Value) -> Any:
        raise AssertionError("nothing is stored elsewhere")

    async def store(run_id: str, value: Any) -> Value:
        return Inline(value=value)

    settings = Settings(_env_file=None)
    return Plans(settings, BoundedEvaluator(), load, store, cast(SessionLog, sessions))


def state(**fields: Any) -> RunState:
    said = {"definition": PIPELINE.definition(), "inputs": {"which": "tutor"}, **fields}
    return RunLog("talk", "sum", "plain", **said).state


async def config_of(plans: Plans, step: str, state: RunState) -> dict[str, Any]:
    answer = await plans.answer(state, AboutStep(step))
    assert isinstance(answer, Rendered), answer
    assert isinstance(answer.input, Inline)
    config: dict[str, Any] = answer.input.value
    return config


async def test_a_session_step_is_reminded_of_what_other_runs_said(plans: Plans) -> None:
    turns = (await config_of(plans, "talk", state()))["turns"]
    assert turns == [{"user": "My cat is Mia.", "assistant": "A fine name."}]


async def test_a_segment_finds_the_session_that_its_template_names(plans: Plans) -> None:
    prompts = [(await config_of(plans, "sum", state(inputs={"which": w})))["prompt"] for w in ("tutor", "nobody")]
    assert prompts == ["User: My cat is Mia.\nAssistant: A fine name.", ""]


async def test_a_run_without_a_network_reads_the_session_of_such_runs(plans: Plans, sessions: Sessions) -> None:
    assert (await config_of(plans, "talk", state(offline=True)))["turns"] == []
    sessions.offline = True
    assert len((await config_of(plans, "talk", state(offline=True)))["turns"]) == 1


async def test_a_session_that_cannot_be_read_fails_the_attempt_and_another_may_help(
    plans: Plans, sessions: Sessions
) -> None:
    sessions.readable = False
    answer = await plans.answer(state(), AboutStep("talk"))
    assert isinstance(answer, NotPossible)
    assert answer.failure.transient
    assert "no broker answers" in answer.failure.message
    assert isinstance(await plans.answer(state(), AboutStep("plain")), Rendered)


@pytest.mark.parametrize(("step", "quick"), [("talk", False), ("sum", False), ("plain", True)])
def test_what_reads_a_shared_session_is_not_quick(plans: Plans, step: str, quick: bool) -> None:
    assert plans.quick(state(), AboutStep(step)) == quick
