"""Where the time and the money went, and what is waited for: every number from events, every word with its place."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from elexirion.events import commands, run, step
from elexirion.events.envelope import Record
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.usage import NO_USAGE
from elexirion.events.values import Inline
from elexirion.projections.explain import Explanation, StepAccount, explain
from elexirion.projections.explain_tries import Try
from elexirion.projections.explain_waits import LaneRoom, Serving, Wait
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.projections.partition_log import RUN, WORKER, RunLog, failure
from tests.projections.test_context_hash import FULL
from tests.projections.test_fold_properties import RECORDS

S = timedelta(seconds=1)


class Told(RunLog):
    """A run whose events are as many seconds apart as is said; one record takes a second."""

    def after(self, seconds: float) -> "Told":
        """The next record is written this long after the last one."""
        self.now += (seconds - 1) * S
        return self

    def ask(self, name: str = "a", n: int = 1) -> None:
        """A call of a provider begins."""
        data = ProviderRequested(
            execution_id=self.execution(name), incarnation=WORKER, call_id=f"{self.execution(name)}/{n}",
            provider="p", model="m", request_sha256="s" * 64,
        )  # fmt: skip
        self.report(data)

    def answer(self, took: float, first: float | None = None, name: str = "a", n: int = 1, **fields: Any) -> None:
        """A call of a provider ends."""
        said: dict[str, Any] = {"usage": NO_USAGE, "cost_usd": 0.02, **fields}
        data = ProviderResponded(
            execution_id=self.execution(name), incarnation=WORKER, call_id=f"{self.execution(name)}/{n}",
            provider="p", model="m", duration_s=took, first_chunk_s=first, **said,
        )  # fmt: skip
        self.report(data)

    def explained(self, later: float = 0.0, serving: Serving | None = None) -> Explanation:
        """The explanation so many seconds after the last record."""
        return explain(self.run_id, self.records, self.records[-1][0].at + later * S, serving)

    def account(self, name: str = "a") -> StepAccount:
        """What is said of one step."""
        return next(one for one in self.explained().steps if one.step == name)


def only(explained: Explanation) -> Try:
    [one] = explained.tries
    return one


def test_waiting_running_and_provider_time_are_told_apart() -> None:
    log = Told("a")
    log.after(1).schedule("a")
    log.after(2).begin("a")
    log.after(3).ask()
    log.after(5).answer(4.5, first=0.75)
    log.after(1).complete("a")
    log.after(1).end()
    account = log.account()
    assert (account.waited_s, account.ran_s, account.provider_s, account.first_chunk_s) == (2, 9, 4.5, 0.75)
    assert account.positions == (2, 3, 4, 5, 6)
    assert (account.executions, account.attempts, account.lost_s) == (1, 1, 0)
    assert log.explained().time == {"provider": 5, "running": 4, "queued": 2, "deciding": 2}
    assert log.explained().duration_s == 13


def test_the_parts_of_the_time_add_up_to_the_whole_at_every_point_of_a_run() -> None:
    for length in range(2, len(FULL.records) + 1):
        records = FULL.records[:length]
        explained = explain(RUN, records, records[-1][0].at + 7 * S)
        assert sum(explained.time.values()) == pytest.approx(explained.duration_s)
        ends = [at for record, at in records if record.type != "CommandReceived"]
        whole = (ends[-1] - ends[0]).total_seconds()
        assert explained.duration_s >= whole
        json.dumps(explained.document())


@settings(max_examples=60)
@given(st.lists(RECORDS, max_size=12))
def test_any_log_can_be_explained(records: list[Record]) -> None:
    log = RunLog("a", "summary")
    log.schedule("a")
    own = [(record, log.now) for record in records if record.run_id == RUN]
    explained = explain(RUN, [*log.records, *own], log.now + S, Serving(True))
    assert sum(explained.time.values()) == pytest.approx(explained.duration_s)
    json.dumps(explained.document())


def test_a_worker_that_died_costs_its_time_and_what_its_late_report_spent() -> None:
    log = Told("a")
    log.schedule("a")
    log.after(1).begin("a")
    log.after(1).ask()
    log.after(8).orphan("a")
    log.after(1).schedule("a")
    late = log.completed("a", n=1).model_copy(update={"cost_usd": 0.5})
    assert log.report(late) == "execution_closed"
    log.complete("a", n=2)
    log.end()
    explained = log.explained()
    first, second = explained.tries
    assert (first.lost_s, first.closed_by, first.repeated_cost_usd, first.unanswered) == (10, "orphaned", 0.5, 1)
    assert first.late_reports == ("StepCompleted",)
    assert (second.lost_s, second.repeated_cost_usd) == (0, 0)
    assert (explained.cost_usd, explained.repeated_cost_usd) == (0.01, 0.5)
    [reason] = explained.reasons
    assert "a#1 was given up after 10.0 s at $0.5000: its worker is gone" in reason.text
    assert reason.positions == (2, 3, 4, 5)


def test_the_cost_of_a_call_that_nobody_saw_answered_is_not_known() -> None:
    log = Told("a")
    log.schedule("a")
    log.begin("a")
    log.ask()
    log.orphan("a")
    assert only(log.explained()).repeated_cost_usd is None
    assert log.explained().repeated_cost_usd is None
    assert (
        "at a cost that is not known: its worker is gone; 1 of its calls had no answer"
        in log.explained().reasons[0].text
    )


def test_a_given_up_execution_that_asked_nobody_repeats_no_cost() -> None:
    log = Told("a")
    log.schedule("a")
    log.report(step.StepDeclined(execution_id=log.execution("a"), incarnation=WORKER, reason="full"))
    assert only(log.explained()).repeated_cost_usd == 0
    assert "did not take it" in log.explained().reasons[0].text


def test_an_answer_that_came_before_the_worker_died_is_a_cost_that_is_repeated() -> None:
    log = Told("a")
    log.schedule("a")
    log.begin("a")
    log.ask()
    log.answer(1.0, cost_usd=0.02)
    log.orphan("a")
    assert only(log.explained()).repeated_cost_usd == 0.02


def test_attempts_that_failed_are_counted_with_the_time_between_them() -> None:
    log = Told("a")
    log.schedule("a")
    log.fail("a")
    log.decide(step.StepRetryScheduled(step="a", attempt=2, due_at=log.now + 4 * S, delay_s=4, failure=failure()))
    log.after(4).schedule("a")
    log.complete("a")
    account = log.account()
    assert (account.executions, account.attempts, account.retry_wait_s) == (2, 2, 4)
    assert account.cost_usd == 0.02
    assert account.repeated_cost_usd == 0, "a failed attempt is part of the run's cost"
    assert log.explained().time["retry"] == 4
    assert "a#1 failed" in log.explained().reasons[0].text


def test_gaps_are_listed_the_longest_first_with_what_they_waited_for() -> None:
    log = Told("a", "b")
    log.schedule("a")
    log.begin("a")
    log.complete("a")
    log.receive(commands.PauseRun(), "p")
    log.decide(run.RunPaused(command_id="p"))
    log.after(60).decide(run.RunPaused(command_id="x"))  # no command waits for it: it does not count
    log.receive(commands.ResumeRun(), "r")
    log.decide(run.RunResumed(command_id="r"))
    log.after(0.05).schedule("b")
    log.after(3).begin("b")
    gaps = [(gap.doing, gap.since, gap.until) for gap in log.explained().gaps]
    assert gaps == [("paused", 5, 6), ("queued", 7, 8), ("deciding", 4, 5), ("deciding", 1, 2), ("queued", 2, 3)]
    assert log.explained().gaps[0].seconds == 62


def test_clocks_that_differ_never_make_time_negative() -> None:
    log = Told("a")
    log.schedule("a")
    log.after(-5).begin("a")
    log.after(20).complete("a")
    account = log.account()
    assert account.waited_s == 0
    assert account.ran_s >= 0
    assert sum(log.explained().time.values()) == pytest.approx(log.explained().duration_s)


def test_time_in_tools_is_told_and_tools_at_the_same_time_count_once() -> None:
    log = Told("a")
    log.schedule("a")
    log.begin("a")
    said: dict[str, Any] = {"execution_id": log.execution("a"), "incarnation": WORKER, "tool": "Read"}
    for call in ("1", "2"):
        log.after(1).report(step.ToolCalled(call_id=call, arguments={}, **said))
    for call in ("2", "1"):
        log.after(2).report(step.ToolReturned(call_id=call, result=Inline(value=1), **said))
    log.after(1).complete("a")
    assert log.account().tools_s == 5


def test_a_failed_run_says_which_step_failed_and_why_with_the_events() -> None:
    log = Told("a")
    log.schedule("a")
    log.fail("a", failure("auth", "no such key"))
    log.end(run.RunFailed, failure=failure("auth", "no such key"), step="a")
    explained = log.explained()
    assert [(reason.text, reason.positions) for reason in explained.reasons] == [
        ("a#1 failed after 0 ms: no such key (auth)", (3,)),
        ("the run failed: a: no such key (auth)", (4,)),
    ]
    assert explained.waits == ()


def test_a_cancelled_run_counts_what_was_under_way_as_given_up() -> None:
    log = Told("a")
    log.schedule("a")
    log.begin("a")
    log.end(run.RunCancelled, reason="enough")
    texts = [reason.text for reason in log.explained(later=100).reasons]
    assert texts[0].startswith("a#1 was given up after 3.0 s at $0.0000: the run ended")
    assert texts[1] == "the run was cancelled: enough"


def waits(log: Told, later: float = 0.0, serving: Serving | None = None) -> list[Wait]:
    return list(log.explained(later, serving).waits)


def test_an_execution_that_has_not_begun_is_told_with_its_worker_and_its_event() -> None:
    log = Told("a")
    log.schedule("a")
    [wait] = waits(log, later=30)
    assert (wait.kind, wait.step, wait.position) == ("worker", "a", 2)
    assert f"was given to {WORKER} 30.0 s ago and has not begun" in wait.text


def test_an_execution_that_runs_is_told_with_its_time_limit() -> None:
    log = Told("a")
    log.schedule("a")
    log.begin("a")
    [wait] = waits(log, later=12)
    assert (wait.kind, wait.position) == ("running", 3)
    assert "began 12.0 s ago, its time limit is 300 s" in wait.text


def test_a_retry_is_told_with_when_it_is_due() -> None:
    log = Told("a")
    log.schedule("a")
    log.fail("a")
    due: datetime = log.now + 10 * S
    log.decide(step.StepRetryScheduled(step="a", attempt=2, due_at=due, delay_s=9, failure=failure()))
    [wait] = waits(log, later=4)
    assert (wait.kind, wait.until, wait.position) == ("retry", due, 4)
    assert f"in {(due - log.records[-1][0].at).total_seconds() - 4:.1f} s" in wait.text
    assert "it has been due for" in waits(log, later=100)[0].text


def test_a_paused_run_says_how_it_goes_on() -> None:
    log = Told("a")
    log.receive(commands.PauseRun(), "p")
    log.decide(run.RunPaused(command_id="p", reason="lunch"))
    [wait] = waits(log)
    assert (wait.kind, wait.position) == ("paused", 2)
    assert "(lunch)" in wait.text
    assert "until a ResumeRun" in wait.text


LANES = {"local": LaneRoom(slots=4, held=1)}


@pytest.mark.parametrize(
    ("serving", "kind", "said"),
    [
        (None, "decision", "an orchestrator decides next"),
        (Serving(False), "decision", "no orchestrator lives"),
        (Serving(True), "lane", "no living worker serves lane local"),
        (Serving(True, {"local": LaneRoom(slots=4, held=4)}), "lane", "all 4 slots of lane local are taken"),
        (Serving(True, LANES), "decision", "there is room for it"),
    ],
    ids=["unknown", "nobody decides", "no worker", "full", "room"],
)
def test_a_step_that_may_begin_is_told_with_who_could_run_it(serving: Serving | None, kind: str, said: str) -> None:
    log = Told("a", "b")
    [wait] = waits(log, serving=serving)
    assert (wait.kind, wait.step) == (kind, "a")
    assert said in wait.text


def test_a_step_that_holds_others_is_told_with_the_lanes_of_those() -> None:
    log = Told("a")
    log.decide(step.StepExpanded(step="a", step_type="for_loop", shape="loop", children={"ask": "claude"}, count=2))
    assert log.state.steps["a"].status == "expanded"
    [wait] = waits(log, serving=Serving(True, LANES))
    assert (wait.kind, wait.step) == ("lane", "a")
    assert "a goes on with what is inside, and no living worker serves lane claude" in wait.text


def test_an_approval_a_timer_and_a_child_are_told_with_their_events() -> None:
    log = Told("ask", "later")
    due = log.now + 60 * S
    assert log.decide(run.ApprovalRequested(step="ask", message="Publish?", due_at=due)) is None
    assert log.decide(run.TimerSet(step="later", due_at=due)) is None
    approval, timer = waits(log, later=10)
    assert (approval.kind, approval.position, approval.until) == ("approval", 2, due)
    assert "Publish?" in approval.text
    assert (timer.kind, timer.position, timer.until) == ("delay", 3, due)
    child = Told("sub")
    started = run.ChildRunStarted(
        child_run_id="run-below", command_id="c", relation="step", inputs={}, step="sub", pipeline=Inline(value={})
    )
    assert child.decide(started) is None
    [wait] = waits(child)
    assert (wait.kind, wait.position) == ("child", 2)
    assert "elexirion explain run-below" in wait.text
    assert child.explained(later=5).time["child"] == 5


def test_a_run_whose_start_is_not_decided_waits_for_that() -> None:
    log = Told("a")
    explained = explain(RUN, log.records[:1], log.now, Serving(False))
    assert (explained.status, explained.time, explained.steps) == (None, {}, ())
    [wait] = explained.waits
    assert wait.kind == "start"
    assert "no orchestrator lives" in wait.text


def test_a_run_that_ended_waits_for_nothing() -> None:
    assert explain(RUN, FULL.records, FULL.now, Serving(False)).waits == ()


def test_a_run_that_waits_for_its_time_says_so_and_that_was_none_of_its_time() -> None:
    log = Told("a", start_at=Told("a").now + 60 * S)
    [wait] = waits(log, later=20)
    assert (wait.kind, wait.position) == ("time", 1)
    assert "it begins in" in wait.text
    assert log.explained(20).duration_s == 0.0
    assert "time" not in {one.kind for one in waits(log, later=120)}
