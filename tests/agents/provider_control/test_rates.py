"""What the owner decides about permits, given what workers asked for."""

from elexirion.agents.decisions.providers import Rules
from elexirion.agents.resilience.rate_limit import ASK_KEPT_S, RateRule, RateRules, prefetch
from elexirion.events.provider import LimitLearned, PermitsGranted
from elexirion.events.provider_reports import LimitReported, PermitsAsked
from elexirion.projections.rate import Rate
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.provider_control.given import Paper, after


def paper(requests: float | None = 60, tokens: float | None = None) -> Paper:
    return Paper(Rules(rates=RateRules({"claude": RateRule(requests, tokens)})))


def asks(on: Paper, ask_id: str, calls: int, tokens: int = 0, settled: int = 0) -> None:
    on.report(
        PermitsAsked(
            provider="claude", incarnation=ask_id[:1], ask_id=ask_id, calls=calls, tokens=tokens, settled_tokens=settled
        )
    )  # fmt: skip


def granted(on: Paper) -> list[tuple[str, int]]:
    """To which questions how many permits are given out now."""
    return [(data.ask_id, data.calls) for data in on.decided() if isinstance(data, PermitsGranted)]


def told(on: Paper, limit: float, kind: str = "requests_per_minute", model: str = "sonnet") -> None:
    said = {"provider": "claude", "model": model, "incarnation": "w", "kind": kind, "limit": limit}
    on.report(LimitReported.model_validate(said))


def test_who_asks_far_below_the_limit_gets_all_at_once() -> None:
    on = paper()
    asks(on, "a1", 10)
    asks(on, "b1", 5)
    assert granted(on) == [("a1", 10), ("b1", 5)]
    assert granted(on) == []


def test_over_the_limit_the_rest_waits_until_the_minute_is_over_and_keeps_its_place() -> None:
    on = paper(10)
    asks(on, "a1", 8)
    asks(on, "b1", 8)
    asks(on, "c1", 1)
    assert granted(on) == [("a1", 8), ("b1", 2)]
    on.now = 30
    asks(on, "b1", 6)
    asks(on, "c1", 1)
    assert granted(on) == []
    on.now = 64.1  # a minute, what a permit is good for, and a second for the way
    assert granted(on) == [("b1", 6), ("c1", 1)]


def test_a_question_that_nobody_says_again_is_that_of_a_worker_that_is_gone() -> None:
    on = paper(1)
    asks(on, "a1", 1)
    asks(on, "b1", 1)
    granted(on)
    on.now = ASK_KEPT_S + 1
    asks(on, "c1", 1)
    on.now = 70
    assert granted(on) == [("c1", 1)]


def test_tokens_are_counted_ahead_and_settled_afterwards() -> None:
    on = paper(None, 10_000)
    asks(on, "a1", 4, tokens=4_000)
    assert granted(on) == [("a1", 2)]
    asks(on, "a2", 0, settled=-6_000)
    assert granted(on) == [("a1", 2)]


def test_a_call_that_is_larger_than_the_limit_is_made_alone() -> None:
    on = paper(None, 1_000)
    asks(on, "a1", 2, tokens=5_000)
    assert granted(on) == [("a1", 1)]
    assert granted(on) == []
    on.now = 65
    asks(on, "a1", 1, tokens=5_000)
    assert granted(on) == [("a1", 1)]


def test_a_limit_that_the_provider_tells_lowers_the_settings_and_never_raises_them() -> None:
    on = paper(60)
    told(on, 20)
    assert on.decided() == [LimitLearned(provider="claude", model="sonnet", kind="requests_per_minute", limit=20)]
    asks(on, "a1", 40)
    assert granted(on) == [("a1", 20)]
    told(on, 500)
    on.decided()
    on.now = 70
    asks(on, "a1", 100)
    assert granted(on) == [("a1", 60)]


def test_a_provider_without_limits_in_the_settings_gives_out_nothing() -> None:
    on = Paper()
    asks(on, "a1", 3)
    assert on.decided() == []


def test_nothing_is_given_out_while_the_provider_asked_to_be_left_alone() -> None:
    on = paper()
    on.failed("call", kind="rate_limited", retry_after_s=20)
    asks(on, "a1", 1)
    assert granted(on) == []
    on.now = 20.1
    assert granted(on) == [("a1", 1)]


def test_far_below_the_limit_a_worker_takes_some_in_advance_and_near_it_none() -> None:
    rule = RateRule(1_000)
    assert prefetch(Rate(), rule, after(0)) == 10
    on = Paper(Rules(rates=RateRules({"claude": rule})))
    asks(on, "a1", 990)
    on.decided()
    assert prefetch(on.state.rate("claude"), rule, after(0)) == 0


QUESTIONS = st.lists(st.tuples(st.integers(1, 30), st.floats(0, 25)), min_size=1, max_size=40)


@given(QUESTIONS, st.integers(1, 40))
def test_no_minute_holds_more_calls_than_the_limit_however_late_a_permit_is_used(
    questions: list[tuple[int, float]], limit: int
) -> None:
    on = paper(limit)
    rule = on.rules.rates.of["claude"]
    given_out: list[tuple[float, int]] = []
    for number, (calls, pause) in enumerate(questions):
        asks(on, f"q{number}", calls)
        given_out += [(on.now, count) for _, count in granted(on)]
        on.now += pause
    # Some are used at once, some just before they expire: the worst that can meet within a minute.
    for at, _ in given_out:
        start = at
        within = sum(
            count for when, count in given_out if when + rule.valid_s >= start and when <= start + rule.minute_s
        )  # fmt: skip
        assert within <= limit


@given(QUESTIONS)
def test_everybody_gets_what_was_asked_for_in_the_order_of_the_log(questions: list[tuple[int, float]]) -> None:
    on = paper(20)
    wanted = {}
    for number, (calls, _) in enumerate(questions):
        wanted[f"q{number}"] = calls
        asks(on, f"q{number}", calls)
    order: list[str] = []
    for _ in range(sum(wanted.values())):
        found = granted(on)
        order += [ask_id for ask_id, _ in found]
        for ask_id, count in found:
            wanted[ask_id] -= count
        if not any(wanted.values()):
            break
        on.now += 33
        for ask_id, left in wanted.items():
            if left:
                asks(on, ask_id, left)
    assert not any(wanted.values())
    assert order == sorted(order, key=lambda one: int(one[1:]))
