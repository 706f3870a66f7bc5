"""What an execution used counts once, whether or not it ever says how it ended."""

import pytest
from elexirion.events import provider, step
from elexirion.events.record_model import RecordModel
from elexirion.events.usage import Usage

from tests.projections.partition_log import USED, WORKER, RunLog

CALLED = Usage(input_tokens=100, output_tokens=20)


def answered(log: RunLog, cost_usd: float | None = 0.5) -> None:
    """A call of the newest execution of step `a` is answered."""
    data = provider.ProviderResponded(
        execution_id=log.execution(), incarnation=WORKER, call_id=f"{log.execution()}/1", provider="claude", model="m",
        usage=CALLED, cost_usd=cost_usd, duration_s=1.0,
    )  # fmt: skip
    assert log.report(data) is None


def started() -> RunLog:
    """A run whose step `a` was started."""
    log = RunLog("a")
    log.schedule()
    log.begin()
    return log


def ends(log: RunLog) -> dict[str, RecordModel]:
    """Ends of an execution that say nothing of what it used."""
    of = {"execution_id": log.execution(), "incarnation": WORKER}
    return {
        "orphaned": step.StepOrphaned(**of, reason="lease_expired"),
        "timed out": step.StepTimedOut(execution_id=log.execution(), timeout_s=300.0),
    }


@pytest.mark.parametrize("end", ["orphaned", "timed out"])
def test_the_calls_of_an_execution_that_was_given_up_are_paid_for(end: str) -> None:
    log = started()
    answered(log)
    assert log.decide(ends(log)[end]) is None
    assert (log.state.usage, log.state.cost_usd) == (CALLED, 0.5)
    assert (log.state.steps["a"].usage, log.state.steps["a"].cost_usd) == (CALLED, 0.5)


def test_a_call_of_unknown_price_leaves_the_cost_unknown() -> None:
    log = started()
    answered(log, cost_usd=None)
    log.orphan()
    assert log.state.cost_usd is None


def test_the_calls_of_an_execution_that_reports_its_end_are_not_counted_twice() -> None:
    log = started()
    answered(log)
    log.complete()
    assert (log.state.usage, log.state.cost_usd) == (USED, 0.01)


def test_the_next_execution_adds_to_what_the_given_up_one_used() -> None:
    log = started()
    answered(log)
    log.orphan()
    log.schedule()
    log.begin()
    log.complete()
    assert log.state.usage == CALLED + USED
    assert log.state.cost_usd == pytest.approx(0.51)
