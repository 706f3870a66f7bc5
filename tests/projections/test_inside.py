"""Steps inside of steps in the fold: where they are, what is accepted about them, what is left of them."""

from typing import Any

import pytest
from elexirion.events import commands, run, step
from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.step import Shape
from elexirion.events.values import Inline
from elexirion.projections.paths import in_order, index_of, step_at, turn_around

from tests.projections.partition_log import WORKER, RunLog, failure

NO_KEY = failure("auth", "no key")


def expanded(path: str, shape: Shape, *children: str, count: int | None = None, branch: str | None = None) -> Any:
    """A StepExpanded."""
    named = {"": "test_echo"} if shape == "items" else dict.fromkeys(children, "test_echo")
    return step.StepExpanded(
        step=path, step_type="for_loop", shape=shape, children=named, count=count, branch=branch, items=Inline()
    )


def looping(count: int = 3) -> RunLog:
    """A run whose step `l` is a loop over `a` and `b`, with its first turn open."""
    log = RunLog("l")
    assert log.decide(expanded("l", "loop", "a", "b", count=count)) is None
    assert log.decide(step.IterationStarted(step="l", index=0)) is None
    return log


def schedule(log: RunLog, path: str, n: int = 1) -> str | None:
    """Decide an execution of a step inside of another."""
    return log.decide(step.StepScheduled(
        execution_id=log.execution(path, n), step=path, step_type="test_echo", lane="local", incarnation=WORKER,
        attempt=1, input=Inline(), input_hash="i",
    ))  # fmt: skip


# Where steps are --------------------------------------------------------------------------------------------


def test_a_step_of_a_turn_exists_while_the_turn_is_open() -> None:
    log = looping()
    assert step_at(log.state, "l/0/a") is not None
    assert step_at(log.state, "l/1/a") is None, "its turn has not begun"
    log.decide(step.IterationEnded(step="l", index=0))
    assert step_at(log.state, "l/0/a") is None
    log.decide(step.IterationStarted(step="l", index=1))
    assert step_at(log.state, "l/1/a") is not None


@pytest.mark.parametrize("path", [
    "l/0", "l/a", "l/0/z", "l/00/a", "l/-1/a", "l/+0/a", "l/٠/a", "l/0/a/0", "l//a", "l/0/", "/0/a", "z/0/a",
    "l/" + "9" * 5000 + "/a",
])  # fmt: skip
def test_what_is_no_path_of_a_loop_is_no_step(path: str) -> None:
    assert step_at(looping().state, path) is None


def test_items_exist_by_their_index() -> None:
    log = RunLog("b")
    log.decide(expanded("b", "items", count=2))
    found = [step_at(log.state, f"b/{index}") for index in ("0", "1")]
    assert [known and known.step_type for known in found] == ["test_echo", "test_echo"]
    assert [step_at(log.state, f"b/{index}") for index in ("2", "01", "x", "")] == [None] * 4


def test_names_that_look_like_numbers_are_names_where_names_stand() -> None:
    log = RunLog("s")
    log.decide(expanded("s", "branch", "0", branch="x"))
    log.decide(expanded("s/0", "loop", "1", count=5))
    log.decide(step.IterationStarted(step="s/0", index=0))
    assert step_at(log.state, "s/0/0/1") is not None
    assert step_at(log.state, "s/0/1") is None, "a turn of the loop, and no step"
    assert step_at(log.state, "s/0/1/1") is None
    assert schedule(log, "s/0/0/1") is None
    assert turn_around(log.state, "s/0/0/1") == "s/0/0"


def test_the_turn_around_a_step_is_the_innermost() -> None:
    log = looping()
    log.decide(expanded("l/0/a", "branch", "x", branch="x"))
    log.decide(expanded("l/0/a/x", "repeat", "deep"))
    log.decide(step.IterationStarted(step="l/0/a/x", index=0))
    assert turn_around(log.state, "l") is None
    assert turn_around(log.state, "l/0/a") == "l/0"
    assert turn_around(log.state, "l/0/a/x") == "l/0"
    assert turn_around(log.state, "l/0/a/x/0/deep") == "l/0/a/x/0"


@pytest.mark.parametrize(("text", "index"), [("0", 0), ("12", 12), ("012", None), ("1.0", None), ("", None)])
def test_an_index_is_a_plain_number(text: str, index: int | None) -> None:
    assert index_of(text) == index


def test_people_read_the_turns_of_a_loop_in_their_order_also_where_steps_are_called_by_numbers() -> None:
    log = RunLog("l", "z")
    log.decide(expanded("l", "loop", "2", "1", count=3))
    for index in range(3):
        log.decide(step.IterationStarted(step="l", index=index))
    for path in ("l/2/1", "l/0/1", "l/2/2", "l/0/2"):
        schedule(log, path)
    assert [known.name for known in in_order(log.state)] == ["l", "l/0/2", "l/0/1", "l/2/2", "l/2/1", "z"]


# What is accepted -------------------------------------------------------------------------------------------


def test_a_step_is_expanded_once() -> None:
    log = looping()
    assert log.decide(expanded("l", "loop", "a", count=9)) == "step_not_ready"
    assert log.decide(expanded("l/1/a", "loop", "x", count=1)) == "unknown_step"
    assert log.decide(expanded("z", "loop", "x", count=1)) == "unknown_step"


@pytest.mark.parametrize("data", [
    step.IterationStarted(step="l", index=0),
    step.IterationStarted(step="l", index=2),
    step.IterationStarted(step="l/0/a", index=0),
    step.IterationStarted(step="z", index=0),
    step.IterationEnded(step="l", index=1),
    step.IterationEnded(step="l", index=1, ended_because="break"),
    step.IterationEnded(step="l", index=0, ended_because="skipped"),
    step.IterationEnded(step="l", index=2, ended_because="skipped"),
    step.IterationEnded(step="l", index=2, ended_because="failed", failure=NO_KEY),
    step.IterationEnded(step="l/0/a", index=0),
])  # fmt: skip
def test_a_turn_out_of_its_order_is_refused(data: RecordModel) -> None:
    assert looping().decide(data) == "step_not_ready"


@pytest.mark.parametrize("data", [
    step.IterationStarted(step="l", index=1),
    step.IterationEnded(step="l", index=0),
    step.IterationEnded(step="l", index=0, ended_because="break"),
    step.IterationEnded(step="l", index=0, ended_because="failed", failure=NO_KEY),
    step.IterationEnded(step="l", index=1, ended_because="skipped"),
    step.IterationEnded(step="l", index=1, ended_because="failed", failure=NO_KEY),
])  # fmt: skip
def test_a_turn_in_its_order_is_accepted(data: RecordModel) -> None:
    assert looping().decide(data) is None


def test_a_turn_ends_once() -> None:
    log = looping()
    log.decide(step.IterationEnded(step="l", index=0, ended_because="break"))
    assert log.decide(step.IterationEnded(step="l", index=0)) == "step_not_ready"


def test_a_loop_has_no_more_turns_than_items() -> None:
    log = looping(count=1)
    assert log.decide(step.IterationStarted(step="l", index=1)) == "step_not_ready"
    assert log.decide(step.IterationEnded(step="l", index=1, ended_because="skipped")) == "step_not_ready"


def test_a_batch_and_a_branch_have_no_turns() -> None:
    log = RunLog("b", "s")
    log.decide(expanded("b", "items", count=2))
    log.decide(expanded("s", "branch", "x", branch="x"))
    for path in ("b", "s"):
        assert log.decide(step.IterationStarted(step=path, index=0)) == "step_not_ready"


def test_only_what_began_and_is_not_over_concludes() -> None:
    log = looping()
    done = step.StepConcluded(step="l", result=Inline(value=1))
    assert log.decide(step.StepConcluded(step="l/0/a", result=Inline())) == "step_not_ready"
    assert log.decide(done) is None
    assert log.decide(done) == "step_not_ready"
    assert log.decide(step.StepRefused(step="l", failure=NO_KEY)) == "step_not_ready"


@pytest.mark.parametrize("data", [
    step.StepExpanded(step="a", step_type="for_loop", shape="loop", children={}, count=0),
    step.StepSkipped(step="a", reason="no"),
    step.StepRefused(step="a", failure=NO_KEY),
    run.VariablesSet(step="a", values={}),
    run.TimerSet(step="a", due_at="2026-01-01T00:00:00Z"),
    run.ApprovalRequested(step="a", message="?"),
    run.ChildRunStarted(child_run_id="c", command_id="c", relation="step", inputs={}, step="a", pipeline=Inline()),
])  # fmt: skip
def test_a_step_that_runs_begins_in_no_other_way(data: RecordModel) -> None:
    log = RunLog("a")
    assert RunLog("a").decide(data) is None
    log.schedule()
    assert log.decide(data) == "step_not_ready"
    log.fail()
    log.decide(step.StepRetryScheduled(step="a", attempt=2, due_at=log.now, delay_s=0, failure=failure()))
    assert log.decide(data) is None, "another attempt may come to something else"


def test_the_end_of_a_child_counts_once_and_only_while_its_step_waits() -> None:
    log = RunLog("a", "b")
    told = run.ChildRunEnded(command_id="e", child_run_id="c", step="a", status="completed", result=Inline(value=1))

    def hear(data: run.ChildRunEnded) -> str | None:
        told = commands.ChildEnded(child_run_id=data.child_run_id, step=data.step, status=data.status)
        log.receive(told, data.command_id)
        return log.decide(data)

    assert hear(told) == "step_not_ready"
    log.decide(run.ChildRunStarted(
        child_run_id="c", command_id="c", relation="step", inputs={}, step="a", pipeline=Inline()))  # fmt: skip
    assert hear(told.model_copy(update={"child_run_id": "x", "command_id": "e2"})) == "step_not_ready"
    assert hear(told.model_copy(update={"step": "b", "command_id": "e3"})) == "step_not_ready"
    assert log.decide(told.model_copy(update={"command_id": "nobody sent it"})) == "no_such_command"
    assert log.decide(told) is None
    assert log.decide(told) == "step_not_ready"
    assert log.state.steps["a"].result == Inline(value=1)


def test_a_signal_reaches_only_a_step_that_asked() -> None:
    log = RunLog("a")
    signal = run.SignalReceived(command_id="s", name="approve", step="a")
    log.receive(commands.Signal(name="approve"), "s")
    assert log.decide(signal) == "step_not_ready"
    log.decide(run.ApprovalRequested(step="a", message="?"))
    assert log.decide(signal) is None
    assert log.state.steps["a"].answer == "approve"


# What is left -----------------------------------------------------------------------------------------------


def busy() -> RunLog:
    """A loop with an open execution, a child run, a timer, a question and a retry in its first turn."""
    log = RunLog("l")
    log.decide(expanded("l", "loop", "a", "b", "c", "d", "e", count=2))
    log.decide(step.IterationStarted(step="l", index=0))
    schedule(log, "l/0/a")
    log.decide(run.ChildRunStarted(
        child_run_id="child", command_id="c", relation="step", inputs={}, step="l/0/b", pipeline=Inline()))  # fmt: skip
    log.decide(run.TimerSet(step="l/0/c", due_at=log.now))
    log.decide(run.ApprovalRequested(step="l/0/d", message="?"))
    schedule(log, "l/0/e")
    log.fail("l/0/e")
    log.decide(step.StepRetryScheduled(step="l/0/e", attempt=2, due_at=log.now, delay_s=0, failure=failure()))
    return log


@pytest.mark.parametrize("end", [
    step.StepRefused(step="l", failure=NO_KEY),
    step.StepConcluded(step="l", result=Inline()),
    step.IterationEnded(step="l", index=0, ended_because="failed", failure=NO_KEY),
    run.ErrorHandlingStarted(failure=NO_KEY, step="l", handlers={"h": "test_echo"}),
])  # fmt: skip
def test_when_what_is_around_steps_is_over_nothing_of_them_is_under_way(end: RecordModel) -> None:
    log = busy()
    assert log.decide(end) is None
    assert log.state.opened == {}
    assert log.state.live == {}
    assert (log.state.children, log.state.left_children) == ({}, ("child",))
    inner = {path[-1]: known.status for path, known in log.state.steps.items() if "/" in path}
    assert inner == {"a": "pending", "b": "pending", "c": "pending", "d": "pending", "e": "failed"}
    assert not any(known.due_at for path, known in log.state.steps.items() if "/" in path)


@pytest.mark.parametrize("end", [
    step.StepRefused(step="l", failure=NO_KEY),
    step.IterationEnded(step="l", index=0, ended_because="failed", failure=NO_KEY),
])  # fmt: skip
def test_late_reports_of_steps_inside_change_nothing(end: RecordModel) -> None:
    log = busy()
    log.decide(end)
    before = log.state
    for report in (log.completed("l/0/a"), step.StepStarted(execution_id=log.execution("l/0/a"), incarnation=WORKER)):
        assert log.report(report) == "execution_closed"
    lost = step.StepOrphaned(execution_id=log.execution("l/0/a"), incarnation=WORKER, reason="lease_expired")
    assert log.decide(lost) == "execution_closed"
    assert log.state is before


def test_a_turn_that_ends_leaves_the_steps_of_others_alone() -> None:
    log = looping()
    log.decide(step.IterationStarted(step="l", index=1))
    schedule(log, "l/0/a")
    schedule(log, "l/1/a")
    log.decide(step.IterationEnded(step="l", index=0, ended_because="failed", failure=NO_KEY))
    assert list(log.state.opened) == [log.execution("l/1/a")]
    assert log.complete("l/1/a") is None


def test_a_step_whose_path_only_begins_alike_is_left_alone() -> None:
    log = RunLog("l", "l2")
    for path in ("l", "l2"):
        log.decide(expanded(path, "items", count=1))
        schedule(log, f"{path}/0")
    log.decide(step.StepRefused(step="l", failure=NO_KEY))
    assert list(log.state.opened) == [log.execution("l2/0")]


def test_the_failure_of_a_turn_is_kept_with_its_index() -> None:
    log = looping()
    log.decide(step.IterationEnded(step="l", index=0, ended_because="failed", failure=NO_KEY))
    inside = log.state.steps["l"].inside
    assert inside and (inside.turns, inside.failures) == ({0: "failed"}, {0: NO_KEY})


def test_items_count_as_begun_once_all_before_them_did() -> None:
    log = RunLog("b")
    log.decide(expanded("b", "items", count=4))
    seen = []
    for index in (1, 0, 3, 2):
        schedule(log, f"b/{index}")
        inside = log.state.steps["b"].inside
        seen.append(inside.begun if inside else None)
    assert seen == [0, 2, 2, 4]


def test_a_step_that_is_refused_while_it_holds_others_keeps_the_reason() -> None:
    log = looping()
    why = Failure(kind="step_error", message="l/0/a: no")
    log.decide(step.StepRefused(step="l", failure=why))
    assert log.state.steps["l"].failure == why
    assert log.state.steps["l"].failures == 1
