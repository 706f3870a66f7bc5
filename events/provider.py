"""What happens at providers: calls of an execution, and what all runs share about a provider."""

from datetime import date
from typing import Literal

from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.step import Report
from elexirion.events.usage import Usage
from elexirion.events.values import Value
from pydantic import AwareDatetime, Field


class ProviderRequested(Report):
    """A call is about to be sent, at most one per call id. `request_sha256` covers all that is asked.

    `provider` is "offline" or "recorded" where no network is asked.
    """

    call_id: str
    provider: str
    model: str
    request_sha256: str


class ProviderResponded(Report):
    """A call ended: `failure` is null where it ended well.

    Its text are `chunks` chunks of the execution from number `first_chunk` on; `function_calls` are a list of
    `{id, name, arguments}`, so that the answer can be given again. `replayed_from` is the recorded call that it was
    taken from: `usage` is that of the recorded call then, and the cost 0.
    """

    call_id: str
    provider: str
    model: str
    usage: Usage
    cost_usd: float | None = None
    stop_reason: str | None = None
    failure: Failure | None = None
    duration_s: float = Field(ge=0)
    first_chunk_s: float | None = Field(default=None, ge=0)
    first_chunk: int | None = Field(default=None, ge=1)
    chunks: int = Field(default=0, ge=0)
    function_calls: Value | None = None
    replayed_from: str | None = None


class CacheEntry(RecordModel):
    """An answer that equal requests may take; stands on `cache`, whose key is `request_hash`.

    `request_hash` is a SHA-256 over all that was asked; `usage` and `cost_usd` are of the call that was made.
    """

    request_hash: str
    written_at: AwareDatetime
    provider: str
    model: str
    text: str
    usage: Usage
    cost_usd: float | None = None
    stop_reason: str


class CircuitOpened(RecordModel):
    """Calls to this provider and model are refused until a probe, from `until` on, finds it well again.

    This and the following are decisions about what all runs share: numbered and chained over the whole of `providers`.
    """

    provider: str
    model: str
    failures: int = Field(ge=0)
    until: AwareDatetime


class CircuitHalfOpened(RecordModel):
    """One call, and no other, may try whether the provider works again."""

    provider: str
    model: str
    probe_call_id: str


class CircuitClosed(RecordModel):
    """Calls flow again."""

    provider: str
    model: str


class LimitLearned(RecordModel):
    """A provider's header told its rate limit."""

    provider: str
    model: str
    kind: Literal["requests_per_minute", "tokens_per_minute"]
    limit: float = Field(ge=0)


class PermitsGranted(RecordModel):
    """`calls` that were asked for may be made within `valid_s` seconds, by the worker that asked."""

    provider: str
    incarnation: str
    ask_id: str
    calls: int = Field(ge=1)
    tokens: int = Field(ge=0)
    valid_s: float = Field(gt=0)


class DayBudgetExceeded(RecordModel):
    """A budget of a day (UTC) is spent. `enforced` false: it is only said, and calls go on."""

    scope: str
    day: date
    limit: Literal["cost_usd", "tokens"]
    allowed: float = Field(ge=0)
    used: float = Field(ge=0)
    enforced: bool = True
