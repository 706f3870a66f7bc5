"""What workers report to the owner of `providers`; its decisions stand in `provider`."""

from typing import Literal

from elexirion.events.failure import FailureKind
from elexirion.events.record_model import RecordModel
from pydantic import Field


class CallReported(RecordModel):
    """How a call ended, where that says something of its provider's health.

    `unclear`: it was given up before anyone could know. `kind` is that of a failure, and `retry_after_s` what the
    provider asked to wait, in seconds.
    """

    provider: str
    model: str
    call_id: str
    incarnation: str
    outcome: Literal["answered", "failed", "unclear"]
    kind: FailureKind | None = None
    retry_after_s: float | None = Field(default=None, ge=0)


class ProbeAsked(RecordModel):
    """A call would like to find out whether the provider works again; CircuitHalfOpened names the one that may."""

    provider: str
    model: str
    call_id: str
    incarnation: str


class PermitsAsked(RecordModel):
    """A worker has `calls` to make to a provider whose rate is limited, of about `tokens` each.

    Said again under the same `ask_id` it keeps its place. `settled_tokens` is what answered calls used beyond what was
    counted for them, less than 0 where they used less.
    """

    provider: str
    incarnation: str
    ask_id: str
    calls: int = Field(ge=0)
    tokens: int = Field(ge=0)
    settled_tokens: int = 0


class LimitReported(RecordModel):
    """What the headers of an answer said of the caller's rate limit."""

    provider: str
    model: str
    incarnation: str
    kind: Literal["requests_per_minute", "tokens_per_minute"]
    limit: float = Field(ge=0)


class UsageReported(RecordModel):
    """What a call used, under the names of the budgets that it counts to: `pipeline:NAME`, or a run's `TAG:VALUE`.

    `cost_usd` is null where the model has no known price.
    """

    provider: str
    model: str
    call_id: str
    incarnation: str
    scopes: tuple[str, ...]
    tokens: int = Field(ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
