"""How long a step waits before another attempt."""

import pytest
from elexirion.agents.resilience.backoff import RetryRule, delay_s, worth_another
from elexirion.events.failure import FAILURE_KINDS, TRANSIENT_KINDS, Failure, FailureKind
from hypothesis import given
from hypothesis import strategies as st

BUSY = Failure(kind="overloaded", message="busy")


@pytest.mark.parametrize(
    ("rule", "delays"),
    [
        (RetryRule(), [1, 2, 4, 8, 16, 30, 30]),
        (RetryRule(backoff="linear"), [1, 2, 3, 4, 5]),
        (RetryRule(backoff="fixed"), [1, 1, 1]),
        (RetryRule(base_delay_ms=250, max_delay_ms=600), [0.25, 0.5, 0.6]),
        (RetryRule(base_delay_ms=0), [0, 0]),
    ],
    ids=lambda value: value.backoff if isinstance(value, RetryRule) else "",
)
def test_delays_grow_as_the_rule_says(rule: RetryRule, delays: list[float]) -> None:
    assert [delay_s(rule, n + 1, BUSY, 0.0) for n in range(len(delays))] == delays


@pytest.mark.parametrize(("asked", "waits"), [(0.5, 1.0), (7.0, 7.0), (30.0, 30.0), (3600.0, 30.0)])
def test_what_a_provider_asks_for_counts_where_it_is_longer_up_to_the_cap(asked: float, waits: float) -> None:
    assert delay_s(RetryRule(), 1, BUSY.model_copy(update={"retry_after_s": asked}), 0.0) == waits


@given(st.integers(1, 5000), st.floats(0, 1, exclude_max=True), st.booleans())
def test_no_delay_leaves_its_bounds(failures: int, jitter: float, jittered: bool) -> None:
    rule = RetryRule(jitter=jittered)
    plain = delay_s(RetryRule(), failures, BUSY, 0.0)
    assert plain / 2 <= delay_s(rule, failures, BUSY, jitter) <= plain <= 30.0


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_only_transient_failures_are_tried_again(kind: FailureKind) -> None:
    failure = Failure(kind=kind, message="x")
    assert worth_another(RetryRule(), failure, 1) is (kind in TRANSIENT_KINDS)
    assert not worth_another(RetryRule(), failure, 3)


@pytest.mark.parametrize(("named", "again"), [("timeout", True), ("timeout_idle", True), ("rate_limited", False)])
def test_a_rule_may_narrow_the_kinds_by_name_or_family(named: str, again: bool) -> None:
    failure = Failure(kind="timeout_idle", message="x")
    assert worth_another(RetryRule(retry_on=(named,)), failure, 1) is again


def test_naming_a_permanent_kind_does_not_make_it_transient() -> None:
    assert not worth_another(RetryRule(retry_on=("auth",)), Failure(kind="auth", message="no key"), 1)


def test_an_open_circuit_is_waited_for_whatever_kinds_a_rule_names() -> None:
    refused = Failure(kind="circuit_open", message="Circuit breaker open", retry_after_s=12.5)
    rule = RetryRule(retry_on=("timeout",))
    assert worth_another(rule, refused, 1)
    assert delay_s(rule, 1, refused, 0.0) == 12.5
