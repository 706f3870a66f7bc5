"""Which priority a run has: what its start says, else its pipeline, else that of the run that led to it."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from elexirion.agents.decide import Facts
from elexirion.agents.decide_command import decide_command
from elexirion.agents.dispatch import Placement
from elexirion.agents.orchestrator.child_runs import start_child
from elexirion.agents.orchestrator.fired_run import start_fired
from elexirion.agents.orchestrator.start_check import StartCheck
from elexirion.agents.orchestrator.successor import successor_record
from elexirion.events.commands import PipelineReference, RunSource, StartRun
from elexirion.events.priority import Priority
from elexirion.events.run import RunStarted
from elexirion.events.values import Inline
from elexirion.projections.fleet import Fleet
from elexirion.projections.run_state import Child, RunState, Successor
from elexirion.projections.schedule_state import Fired

from tests.projections.partition_log import AUTHOR, START, PartitionLog, RunLog

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
STEPS = [{"name": "a", "type": "test_echo", "value": "x"}]


def started(pipeline: dict[str, Any], **fields: Any) -> RunStarted:
    """What the log says of a run that is started like this."""
    log, command = PartitionLog(), StartRun(pipeline={"name": "p", "steps": STEPS, **pipeline}, **fields)
    log.receive(command, "start", "r")
    facts = Facts(now=log.now, author=AUTHOR, placement=Placement(Fleet(), 10))
    record = decide_command(log.fold.pending["start"], command, None, None, StartCheck().check(command), facts)
    assert isinstance(record.data, RunStarted), record
    assert log.write(record) is None
    assert log.fold.runs["r"].priority == record.data.priority
    return record.data


def state_of(priority: Priority) -> RunState:
    return RunLog("a", priority=priority, then=(PipelineReference(pipeline={"steps": STEPS}),)).state


def test_a_run_has_the_priority_of_its_start_else_of_its_pipeline() -> None:
    assert started({}).priority == "normal"
    assert started({"priority": "low"}).priority == "low"
    assert started({"priority": "low"}, priority="high").priority == "high"
    assert started({"priority": "low"}, priority="normal").priority == "normal"


@pytest.mark.parametrize("priority", PRIORITIES)
def test_what_a_run_leads_to_inherits_its_priority_unless_it_is_the_usual_one(priority: Priority) -> None:
    state, said = state_of(priority), None if priority == "normal" else priority
    child = start_child(state, Child("child", "command", "a", Inline(), RunSource(), {}, None, 2), {}).data
    following = successor_record(replace(state, successor=Successor("next", "command", {}))).data
    assert isinstance(child, StartRun)
    assert isinstance(following, StartRun)
    assert (child.priority, following.priority) == (said, said)


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_fired_run_has_the_priority_of_its_schedule_whatever_the_pipeline_says(priority: Priority) -> None:
    fired = start_fired(state_of(priority), Fired("fired", "command", START, START)).data
    assert isinstance(fired, StartRun)
    assert fired.priority == priority
