"""What a call cost: a dated table of prices per model, which a user's own file overrides.

An unknown price is None and never 0: a run that cost an unknown amount must not look free.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from elexirion.agents.settings import Settings
from elexirion.events.usage import Usage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_MILLION = 1_000_000
# A name may carry a date or a revision after the model it is: claude-haiku-4-5-20251001, gemini-3.8-flash-001.
_REVISION = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|\d{3}|latest)$")


class PriceFileError(ValueError):
    """A price file that cannot be read; says which and why."""


class Rates(BaseModel):
    """USD per million tokens of each kind; None where the price of that kind is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    cache_read: float | None = Field(None, ge=0, allow_inf_nan=False)
    cache_write: float | None = Field(None, ge=0, allow_inf_nan=False)

    def cost_usd(self, usage: Usage) -> float | None:
        """USD for `usage`; None if it has tokens of a kind without a price."""
        counted = (
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_read_tokens, self.cache_read),
            (usage.cache_write_tokens, self.cache_write),
        )
        total = 0.0
        for tokens, rate in counted:
            if tokens and rate is None:
                return None
            total += tokens * (rate or 0.0)
        return total / _MILLION


class LongPromptRates(Rates):
    """Rates of a call whose prompt has more than `over_tokens` tokens."""

    over_tokens: int = Field(gt=0)


class Price(Rates):
    """Rates of a model from a day (UTC) on."""

    from_: date = Field(alias="from")
    long_prompt: LongPromptRates | None = None

    def rates(self, usage: Usage) -> Rates:
        """The rates that hold for a call of this size."""
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        long = self.long_prompt
        return long if long is not None and prompt > long.over_tokens else self


class Source(BaseModel):
    """Where prices were read, and on which day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    read: date


class PriceTable(BaseModel):
    """Prices by model name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[Source, ...] = ()
    models: dict[str, tuple[Price, ...]] = {}

    def cost_usd(self, model: str, usage: Usage, at: date) -> float | None:
        """USD for `usage` of `model` on the day `at` (UTC); None if no price is known."""
        prices = self.models.get(model) or self.models.get(_REVISION.sub("", model)) or ()
        valid = [price for price in prices if price.from_ <= at]
        if not valid:
            return None
        return max(valid, key=lambda price: price.from_).rates(usage).cost_usd(usage)

    def overridden_by(self, other: "PriceTable") -> "PriceTable":
        """This table with the models of `other` in place of its own of the same name."""
        return PriceTable(sources=self.sources + other.sources, models={**self.models, **other.models})


def load_prices(override: Path | None = None) -> PriceTable:
    """The built-in table, with the models of the user's file `override` on top.

    Raises PriceFileError if that file cannot be read or is not a price table.
    """
    if override is None:
        return _built_in()
    try:
        return _built_in().overridden_by(_table(override.read_text("utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as exception:
        raise PriceFileError(f"price file {override}: {_reason(exception)}") from exception


def price_now(settings: Settings) -> Callable[[str, Usage], float | None]:
    """What a model's tokens cost today, by the operator's table; raises PriceFileError."""
    table = load_prices(settings.prices_file)
    return lambda model, usage: table.cost_usd(model, usage, datetime.now(UTC).date())


def cost_usd(model: str, usage: Usage, at: date) -> float | None:
    """USD for `usage` of `model` on the day `at` (UTC) by the built-in table; None if no price is known."""
    return _built_in().cost_usd(model, usage, at)


@lru_cache(maxsize=1)
def _built_in() -> PriceTable:
    return _table((files("elexirion.agents.providers") / "prices.yaml").read_text("utf-8"))


def _table(text: str) -> PriceTable:
    document: Any = yaml.safe_load(text)
    return PriceTable.model_validate(document)


def _reason(exception: Exception) -> str:
    if not isinstance(exception, ValidationError):
        return str(exception)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in exception.errors()[:5])
