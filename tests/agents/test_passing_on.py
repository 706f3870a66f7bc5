"""A process that ends waits until what it gave back is given to others, as far as it decides for it."""

import asyncio

from elexirion.agents.orchestrator import passing_on
from elexirion.agents.orchestrator.open_executions import OpenExecutions
from elexirion.agents.orchestrator.passing_on import passed_on, waits
from elexirion.events.step import StepReleased

from tests.projections.partition_log import RUN, WORKER, RunLog

FIRST, SECOND = f"{RUN}/a#1", f"{RUN}/a#2"


def released() -> tuple[RunLog, OpenExecutions]:
    """A run whose only execution was given back."""
    log, index = RunLog("a"), OpenExecutions()
    log.schedule("a")
    log.report(StepReleased(execution_id=FIRST, incarnation=WORKER))
    return log, index


def scheduled_anew() -> tuple[RunLog, OpenExecutions]:
    log, index = released()
    log.schedule("a")
    index.add_run(log.state)
    return log, index


def test_a_release_that_is_not_read_back_yet_is_waited_for() -> None:
    log = RunLog("a")
    log.schedule("a")
    assert waits(log.state, OpenExecutions(), FIRST)


def test_a_released_execution_is_waited_for_until_another_one_is_dispatched() -> None:
    log, index = released()
    assert waits(log.state, index, FIRST)
    log.schedule("a")
    index.add_run(log.state)
    assert waits(log.state, index, FIRST)
    opened = index.get(SECOND)
    assert opened
    opened.dispatches = 1
    assert not waits(log.state, index, FIRST)


def test_what_ended_meanwhile_is_not_waited_for() -> None:
    log, index = scheduled_anew()
    log.complete("a", n=2)
    assert not waits(log.state, index, FIRST)


def test_a_result_that_came_before_the_release_is_its_end() -> None:
    log = RunLog("a")
    log.schedule("a")
    log.complete("a")
    assert not waits(log.state, OpenExecutions(), FIRST)


def test_runs_of_others_are_not_waited_for() -> None:
    assert not waits(None, OpenExecutions(), FIRST)


async def test_where_nobody_takes_it_the_process_ends_all_the_same() -> None:
    log, index = released()
    clock = asyncio.get_running_loop().time
    began = clock()
    await passed_on([FIRST], lambda run_id: log.state, index)
    assert passing_on.WITHIN_S <= clock() - began <= passing_on.WITHIN_S + 1.0
