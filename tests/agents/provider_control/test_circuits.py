"""What the owner decides about circuits, given what workers reported."""

import pytest
from elexirion.agents.decisions.providers import Facts, Rules, decide
from elexirion.agents.resilience.circuit_breaker import (
    ASK_KEPT_S,
    BreakerRule,
    Pass,
    Refuse,
    Verdict,
    Wait,
    outcome,
    verdict,
)
from elexirion.events.failure import FAILURE_KINDS, Failure
from elexirion.events.provider import CircuitClosed, CircuitHalfOpened, CircuitOpened
from elexirion.projections.circuit import CLOSED
from elexirion.projections.providers import Providers, apply
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.provider_control.given import Paper, after

OF = {"provider": "claude", "model": "sonnet"}
FIVE = ("a", "b", "c", "d", "e")
CLOSES = CircuitClosed(**OF)


def opens(until: float, failures: int = 5) -> CircuitOpened:
    return CircuitOpened(failures=failures, until=after(until), **OF)


def probes(call_id: str) -> CircuitHalfOpened:
    return CircuitHalfOpened(probe_call_id=call_id, **OF)


def said(paper: Paper, call_id: str = "next") -> Verdict:
    return verdict(paper.circuit, call_id, paper.rules.breaker, after(paper.now))


def an_open_one() -> Paper:
    paper = Paper()
    paper.failed(*FIVE)
    assert paper.decided() == [opens(30)]
    return paper


def a_half_open_one(probe: str = "p") -> Paper:
    paper = an_open_one()
    paper.now = 30
    paper.asks(probe)
    assert paper.decided() == [probes(probe)]
    return paper


def test_a_circuit_opens_with_the_fifth_failure_and_not_before() -> None:
    paper = Paper()
    paper.failed("a", "b", "c", "d")
    assert (paper.decided(), said(paper)) == ([], Pass())
    paper.failed("e")
    assert paper.decided() == [opens(30)]


def test_calls_are_refused_by_the_reports_already_before_the_owner_has_decided() -> None:
    paper = Paper()
    paper.failed(*FIVE)
    assert said(paper) == Refuse(30)


def test_failures_that_are_further_apart_than_the_window_open_nothing() -> None:
    paper = Paper()
    for n, call_id in enumerate(FIVE):
        paper.now = n * 15.0
        paper.failed(call_id)
    paper.now = 61
    assert (paper.decided(), said(paper)) == ([], Pass())


def test_an_open_circuit_refuses_with_what_is_left_until_a_probe_and_then_asks_for_one() -> None:
    paper = an_open_one()
    paper.now = 12.5
    assert said(paper) == Refuse(17.5)
    paper.now = 30
    assert said(paper) == Wait(ask=True)
    assert paper.decided() == []  # nobody asked


def test_a_question_that_comes_too_early_by_another_clock_is_answered_in_time() -> None:
    paper = an_open_one()
    paper.now = 29.9
    paper.asks("p")
    assert paper.decided() == []
    paper.now = 30
    assert paper.decided() == [probes("p")]


def test_exactly_one_of_those_who_ask_is_the_probe() -> None:
    paper = an_open_one()
    paper.now = 31
    for call_id in ("p", "q", "r"):
        paper.asks(call_id)
    assert paper.decided() == [probes("p")]
    assert paper.decided() == []
    assert [said(paper, call_id) for call_id in ("p", "q", "r", "s")] == [Pass(probe=True), *[Wait(ask=True)] * 3]


def test_a_probe_that_is_answered_closes_the_circuit_for_all() -> None:
    paper = a_half_open_one()
    paper.asks("q")
    paper.ended("p", "answered")
    assert paper.decided() == [CLOSES]
    assert (paper.circuit, said(paper, "q")) == (CLOSED, Pass())


def test_a_probe_that_fails_opens_it_again_for_as_long() -> None:
    paper = a_half_open_one()
    paper.now = 33
    paper.failed("p")
    assert paper.decided() == [opens(63, failures=1)]


def test_a_probe_that_was_given_up_leaves_its_right_to_the_next() -> None:
    paper = a_half_open_one()
    paper.asks("q")
    paper.ended("p", "unclear")
    assert paper.decided() == [probes("q")]


def test_a_probe_of_which_nothing_is_heard_expires() -> None:
    paper = a_half_open_one()
    paper.now = 59.9
    paper.asks("q")
    assert paper.decided() == []
    paper.now = 60
    assert paper.decided() == [probes("q")]
    paper.failed("p")  # the first one, after all: it is the probe no more
    assert paper.decided() == []


def test_who_asked_long_ago_has_gone_and_is_no_probe() -> None:
    paper = an_open_one()
    paper.now = 30 - ASK_KEPT_S
    paper.asks("gone")
    paper.now = 30.5
    paper.asks("here")
    assert paper.decided() == [probes("here")]


def test_who_asks_no_more_is_no_probe_and_leaves_the_right_if_it_was_given_meanwhile() -> None:
    paper = an_open_one()
    paper.now = 28
    paper.asks("gone")
    paper.ended("gone", "unclear")
    paper.now = 30
    assert paper.decided() == []
    paper.asks("late")
    paper.asks("here")
    assert paper.decided() == [probes("late")]
    paper.ended("late", "unclear")
    assert paper.decided() == [probes("here")]


def test_calls_that_were_under_way_when_it_opened_change_nothing_any_more() -> None:
    paper = an_open_one()
    paper.failed(*(f"late-{n}" for n in range(20)))
    assert paper.decided() == []
    paper.now = 30
    paper.asks("p")
    paper.decided()
    paper.failed("late")
    paper.ended("p", "answered")
    assert paper.decided() == [CLOSES]
    assert paper.decided() == []


# -- the defects of other routers


@pytest.mark.parametrize("status", [400, 402])
def test_spent_credit_opens_no_circuit_whatever_status_says_so(status: int) -> None:
    spent = Failure(kind="budget", message="your credit balance is too low", status=status)
    assert outcome(spent, spoke=False) == "answered"
    assert not spent.transient


def test_each_attempt_counts_also_where_a_later_one_succeeds() -> None:
    paper = Paper()
    for step in range(5):
        paper.failed(f"run/step_{step}#1/1")
        paper.ended(f"run/step_{step}#2/1", "answered")
    assert paper.decided() == [opens(30)]


def test_a_threshold_of_0_switches_the_breaker_off() -> None:
    paper = Paper(Rules(BreakerRule(threshold=0)))
    paper.failed(*(f"call-{n}" for n in range(50)))
    assert (paper.decided(), said(paper)) == ([], Pass())


def test_a_circuit_that_was_open_when_the_breaker_was_switched_off_closes() -> None:
    paper = an_open_one()
    paper.rules = Rules(BreakerRule(threshold=0))
    assert said(paper) == Pass()
    assert paper.decided() == [CLOSES]


@pytest.mark.parametrize(("asked", "opened_for"), [(7.0, 30.0), (95.0, 95.0), (86_400.0, 600.0)])
def test_a_circuit_stays_open_as_long_as_the_provider_asked_to_be_left_alone(asked: float, opened_for: float) -> None:
    paper = Paper()
    paper.failed("a", "b", "c", "d")
    paper.failed("e", kind="rate_limited", retry_after_s=asked)
    assert paper.decided() == [opens(opened_for)]


def test_a_probe_s_retry_after_counts_as_well() -> None:
    paper = a_half_open_one()
    paper.failed("p", kind="rate_limited", retry_after_s=120)
    assert paper.decided() == [opens(150, failures=1)]


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_every_kind_of_failure_says_something_certain_of_a_provider_s_health(kind: str) -> None:
    failure = Failure.model_validate({"kind": kind, "message": "x"})
    ours = {"cancelled", "poison", "evaluation", "step_error", "internal", "circuit_open", "not_recorded"}
    refusals = {"invalid_request", "auth", "content_filtered", "context_length", "budget", "schema_mismatch"}
    expected = "unclear" if kind in ours else "answered" if kind in refusals else "failed"
    assert outcome(failure, spoke=False) == expected


def test_a_provider_that_talked_until_the_step_s_time_was_over_is_well() -> None:
    late = Failure(kind="timeout_total", message="late")
    assert (outcome(late, spoke=True), outcome(late, spoke=False)) == ("answered", "failed")


# -- owners


def test_a_decision_of_an_owner_that_was_overtaken_has_no_effect() -> None:
    paper = an_open_one()
    paper.now = 30
    paper.asks("p")
    paper.asks("q")
    zombie = decide(_without_ask(paper.state, "p"), paper.rules, Facts(after(30), "zombie"))
    assert paper.decided() == [probes("p")]
    before = paper.circuit
    for record in zombie:
        paper.write(record)
    assert (paper.circuit, paper.circuit.probe) == (before, "p")


def _without_ask(state: Providers, call_id: str) -> Providers:
    one = state.circuit(*OF.values())
    asks = tuple(ask for ask in one.asks if ask.call_id != call_id)
    changed = type(one)(one.position, until=one.until, asks=asks)
    return type(state)(state.seq, state.last, state.decided_at, state.seen, state.at, {("claude", "sonnet"): changed})


def test_the_next_owner_goes_on_from_the_topic() -> None:
    paper = a_half_open_one()
    state = Providers()
    for record, at in paper.records:
        state = apply(state, record, at)
    successor = Paper(state=state, now=31)
    successor.ended("p", "answered")
    assert successor.decided("owner-b") == [CLOSES]


def test_a_reader_that_begins_in_the_middle_takes_the_chain_up() -> None:
    paper = a_half_open_one()
    paper.ended("p", "answered")
    paper.decided()
    paper.failed(*FIVE)
    paper.decided()
    for start in range(len(paper.records)):
        late = Paper()
        for record, at in paper.records[start:]:
            late.state = apply(late.state, record, at)
        if late.state.last:
            assert (late.state.last, late.state.seq) == (paper.state.last, paper.state.seq)


def test_a_reader_whose_first_record_is_a_refused_decision_is_set_right_by_the_next_one() -> None:
    paper = Paper()
    paper.failed(*FIVE)
    zombie = decide(paper.state, paper.rules, Facts(after(0.5), "zombie"))
    paper.decided()
    for record in zombie:
        paper.write(record)
    paper.now = 30
    paper.asks("p")
    paper.decided()
    late = Paper()
    for record, at in paper.records[6:]:
        late.state = apply(late.state, record, at)
    assert (late.state.last, late.circuit.probe) == (paper.state.last, "p")


def test_after_a_day_of_silence_a_new_chain_may_begin() -> None:
    paper = an_open_one()
    fresh = Paper(now=86_400.0)
    fresh.failed(*FIVE)
    [opened] = fresh.decided("owner-b")
    paper.now = 86_400.0
    paper.write(fresh.records[-1][0])
    assert (paper.state.seq, paper.circuit.until) == (1, opened.until)  # type: ignore[attr-defined]  # CircuitOpened


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fail", "answer", "unclear", "ask", "decide", "zombie", "pass"]), st.integers(0, 6),
        st.floats(0, 40),
    ),
    max_size=40,
)  # fmt: skip


@given(STEPS)
def test_whatever_happens_there_is_one_probe_at_a_time_and_every_reader_agrees(
    steps: list[tuple[str, int, float]],
) -> None:
    paper, old = Paper(Rules(BreakerRule(threshold=2))), Providers()
    for what, n, seconds in steps:
        before = paper.circuit
        match what:
            case "fail":
                paper.failed(f"c{n}")
            case "answer" | "unclear":
                paper.ended(f"c{n}", "answered" if what == "answer" else what)
            case "ask":
                paper.asks(f"c{n}")
            case "decide":
                paper.decided()
            case "zombie":
                for record in decide(old, paper.rules, Facts(after(paper.now), "zombie")):
                    paper.write(record)
                old = paper.state
            case _:
                paper.now += seconds
        _holds(before, paper)
    state = Providers()
    for record, at in paper.records:
        state = apply(state, record, at)
    assert state == paper.state


def _holds(before: object, paper: Paper) -> None:
    passing = [c for c in (f"c{n}" for n in range(7)) if said(paper, c) == Pass(probe=True)]
    assert len(passing) <= 1
    if paper.circuit.position != "closed":
        assert Pass() not in [said(paper, f"c{n}") for n in range(7)]
