"""What an execution uses while text comes in, against what the run may still use."""

import pytest
from elexirion.agents.providers.port import ProviderCall
from elexirion.agents.worker.meter import Meter
from elexirion.events.step import Allowance
from elexirion.events.usage import Usage

CALL = ProviderCall(call_id="c", model="m", prompt="p" * 400)


def meter(**left: float) -> Meter:
    """A meter of a model whose tokens cost a cent each; a call of 100 tokens in has begun."""
    made = Meter(Allowance.model_validate(left), lambda model, usage: (usage.input_tokens + usage.output_tokens) / 100)
    made.begin(CALL)
    return made


def test_text_counts_as_it_comes_until_the_limit_is_reached() -> None:
    counted = meter(tokens=110)
    counted.said("x" * 36)
    assert counted.too_much() is None
    counted.said("y")
    failure = counted.too_much()
    assert failure is not None
    assert (failure.kind, failure.where, failure.transient) == ("budget", "resource_limits.max_tokens", False)
    assert failure.message == "max_tokens: 110 tokens were left to the run and about 110 are used"
    assert counted.estimate() == (Usage(input_tokens=100, output_tokens=10), 1.1)


def test_a_limit_of_cost_is_reached_by_the_price_of_what_is_estimated() -> None:
    counted = meter(cost_usd=1.05)
    counted.said("x" * 16)
    assert counted.too_much() is None
    counted.said("x")
    failure = counted.too_much()
    assert failure is not None and failure.where == "resource_limits.max_cost_usd"


def test_the_providers_own_count_holds_once_a_call_has_ended() -> None:
    counted = meter(tokens=150)
    counted.said("x" * 100)
    counted.ended(Usage(input_tokens=20, output_tokens=10), None)
    counted.begin(CALL)
    assert counted.too_much() is None
    counted.said("x" * 80)
    assert counted.too_much() is not None, "30 of the first call, 100 asked and 20 said"


@pytest.mark.parametrize("left", [None, Allowance()])
def test_without_a_limit_nothing_is_too_much(left: Allowance | None) -> None:
    counted = Meter(left, lambda model, usage: None)
    counted.begin(CALL)
    counted.said("x" * 10_000)
    assert counted.too_much() is None
