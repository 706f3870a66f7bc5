"""What happens at providers: calls of an execution, and what all runs share about a provider."""

from datetime import datetime
from typing import Literal

from elexirion.events.failure import Failure
from elexirion.events.record_model import RecordModel
from elexirion.events.step import Report
from elexirion.events.usage import Usage
from pydantic import AwareDatetime, Field


class ProviderRequested(Report):
    """A call is about to be sent, at most one per call id. `request_sha256` covers all that is asked."""

    call_id: str
    provider: str
    model: str
    request_sha256: str


class ProviderResponded(Report):
    """A call ended: `failure` is null where it ended well."""

    call_id: str
    provider: str
    model: str
    usage: Usage
    cost_usd: float | None = None
    stop_reason: str | None = None
    failure: Failure | None = None
    duration_s: float = Field(ge=0)
    first_chunk_s: float | None = Field(default=None, ge=0)


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
    """Calls to this provider and model are refused for a while."""

    provider: str
    model: str
    failures: int = Field(ge=0)
    until: datetime


class CircuitHalfOpened(RecordModel):
    """One probe may try."""

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
