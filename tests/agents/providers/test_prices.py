"""What calls cost."""

from datetime import date
from pathlib import Path

import pytest
from elexirion.agents.providers.models import ALIASES, DEFAULT_MODELS, resolve_model
from elexirion.agents.providers.prices import PriceFileError, cost_usd, load_prices
from elexirion.events.usage import Usage

DAY = date(2026, 11, 23)
MILLION = 1_000_000


def test_each_kind_of_token_has_its_price() -> None:
    usage = Usage(input_tokens=MILLION, output_tokens=MILLION, cache_read_tokens=MILLION, cache_write_tokens=MILLION)
    assert cost_usd("claude-opus-5-5", usage, DAY) == pytest.approx(4.0 + 20.0 + 0.2 + 5.0)


def test_the_price_is_the_one_of_the_day() -> None:
    usage = Usage(cache_read_tokens=MILLION)
    assert cost_usd("claude-sonnet-5-5", usage, date(2026, 10, 6)) == pytest.approx(0.2)
    assert cost_usd("claude-sonnet-5-5", usage, date(2026, 10, 7)) == pytest.approx(0.1)
    assert cost_usd("claude-sonnet-5-5", usage, date(2026, 9, 1)) is None
    output = Usage(output_tokens=MILLION)
    assert cost_usd("gemini-3.8-flash", output, date(2026, 12, 31)) == pytest.approx(3.75)
    assert cost_usd("gemini-3.8-flash", output, date(2027, 1, 1)) == pytest.approx(7.5)


def test_a_long_prompt_changes_the_price_of_the_whole_call() -> None:
    short = Usage(input_tokens=90_000, cache_read_tokens=10_000, output_tokens=1000)
    long = Usage(input_tokens=90_001, cache_read_tokens=10_000, output_tokens=1000)
    assert cost_usd("claude-haiku-5-5", short, DAY) == pytest.approx((90_000 * 0.1 + 100 + 500) / MILLION)
    assert cost_usd("claude-haiku-5-5", long, DAY) == pytest.approx((90_001 * 0.5 + 500 + 2500) / MILLION)


def test_an_unknown_price_is_none_and_never_zero() -> None:
    assert cost_usd("some-model", Usage(), DAY) is None
    assert cost_usd("gemini-3.8-flash", Usage(cache_write_tokens=1), DAY) is None
    assert cost_usd("gemini-3.8-flash", Usage(), DAY) == 0.0


@pytest.mark.parametrize("name", ["claude-haiku-4-5-20251001", "claude-haiku-4-5@20251001", "claude-haiku-4-5-latest"])
def test_a_dated_name_has_the_price_of_its_model(name: str) -> None:
    assert cost_usd(name, Usage(input_tokens=MILLION), DAY) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["claude-opus-5-6", "claude-opus", "claude-opus-5-5-turbo", "gemini-3.8-flash-pro"])
def test_a_name_that_only_begins_like_a_known_one_has_no_price(name: str) -> None:
    assert cost_usd(name, Usage(input_tokens=1), DAY) is None


def test_a_users_file_overrides_a_model_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("models:\n  claude-opus-5-5:\n    - {from: 2020-01-01, input: 1, output: 2}\n")
    prices = load_prices(file)
    assert prices.cost_usd("claude-opus-5-5", Usage(input_tokens=MILLION), DAY) == pytest.approx(1.0)
    assert prices.cost_usd("claude-sonnet-5-5", Usage(input_tokens=MILLION), DAY) == pytest.approx(2.0)


@pytest.mark.parametrize(
    "text",
    [
        "models: [",
        "nonsense",
        "models: {m: [{from: 2020-01-01, input: -1, output: 2}]}",
        "models: {m: [{input: 1}]}",
    ],
)
def test_a_price_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(PriceFileError, match=r"prices\.yaml"):
        load_prices(file)
    with pytest.raises(PriceFileError, match=r"absent\.yaml"):
        load_prices(tmp_path / "absent.yaml")


def test_the_models_we_choose_ourselves_have_a_price_and_every_price_a_source() -> None:
    for lane in DEFAULT_MODELS:
        assert cost_usd(resolve_model(lane, None, {}), Usage(input_tokens=1), DAY) is not None
    for alias in ALIASES:
        assert cost_usd(resolve_model("claude", alias, {}), Usage(input_tokens=1), DAY) is not None
    assert len(load_prices().sources) == 2


def test_aliases_are_resolved_and_can_be_overridden() -> None:
    assert resolve_model("claude", None, {}) == "claude-sonnet-5-5"
    assert resolve_model("claude", "opus", {}) == "claude-opus-5-5"
    assert resolve_model("claude", "opus", {"opus": "claude-opus-5"}) == "claude-opus-5"
    assert resolve_model("gemini", "gemini-2.5-flash", {"gemini-2.5-flash": "gemini-3.8-flash"}) == "gemini-3.8-flash"
    assert resolve_model("claude", "haiku", {"claude-haiku-5-5": "mine"}) == "mine"
    with pytest.raises(ValueError, match="openai"):
        resolve_model("openai", None, {})
