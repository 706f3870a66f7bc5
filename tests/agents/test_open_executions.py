"""The index of open executions is what the folds say, by incarnation and lane."""

from collections import Counter

from elexirion.agents.orchestrator.open_executions import OpenExecutions
from hypothesis import given
from hypothesis import strategies as st

from tests.projections.partition_log import RUN, WORKER, RunLog

OTHER = "w2.cccc"


def test_an_opened_execution_is_found_by_id_incarnation_and_lane() -> None:
    index = OpenExecutions()
    opened = index.open("r/a#1", "r", "local", WORKER)
    assert index.get("r/a#1") is opened
    assert index.of(WORKER) == [opened] and index.of(OTHER) == []
    assert index.incarnations() == [WORKER]
    assert set(index.lanes_of(WORKER)) == {"local"}
    assert index.taken == {(WORKER, "local"): 1}


def test_a_closed_execution_leaves_nothing_behind() -> None:
    index = OpenExecutions()
    opened = index.open("r/a#1", "r", "local", WORKER)
    assert index.close("r/a#1") is opened
    assert index.close("r/a#1") is None
    assert (len(index), index.incarnations(), index.taken) == (0, [], Counter())


def test_a_run_that_was_folded_before_is_taken_in_once() -> None:
    log = RunLog("a", "b", "c")
    for name in ("a", "b", "c"):
        log.schedule(name)
    log.complete("b")
    index = OpenExecutions()
    index.add_run(log.state)
    index.add_run(log.state)
    assert {e.id for e in index.of(WORKER)} == {f"{RUN}/a#1", f"{RUN}/c#1"}
    assert index.taken == {(WORKER, "local"): 2}


def test_runs_of_a_lost_partition_are_dropped() -> None:
    index = OpenExecutions()
    index.open("r/a#1", "r", "local", WORKER)
    index.open("q/a#1", "q", "local", WORKER)
    index.drop_runs({"r"})
    assert index.get("r/a#1") is None
    assert index.taken == {(WORKER, "local"): 1}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.sampled_from([WORKER, OTHER]))))
def test_the_counts_are_those_of_the_open_executions(steps: list[tuple[bool, int, str]]) -> None:
    index = OpenExecutions()
    for opens, n, incarnation in steps:
        if opens and index.get(str(n)) is None:
            index.open(str(n), "r", "local", incarnation)
        elif not opens:
            index.close(str(n))
        every = [e for i in index.incarnations() for e in index.of(i)]
        assert len(every) == len(index)
        assert index.taken == Counter((e.incarnation, e.lane) for e in every)
