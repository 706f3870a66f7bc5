"""Failures as values: a closed vocabulary, each kind transient (worth another attempt) or permanent."""

from typing import Literal, get_args

from elexirion.events.record_model import RecordModel
from pydantic import Field

FailureKind = Literal[
    "rate_limited",
    "overloaded",
    "timeout_connect",
    "timeout_first_byte",
    "timeout_idle",
    "timeout_total",
    "connection",
    "cut_stream",
    "bad_response",
    "invalid_request",
    "auth",
    "content_filtered",
    "context_length",
    "circuit_open",
    "budget",
    "not_recorded",
    "cancelled",
    "poison",
    "evaluation",
    "schema_mismatch",
    "step_error",
    "internal",
]
FAILURE_KINDS: tuple[str, ...] = get_args(FailureKind)

TRANSIENT_KINDS: frozenset[str] = frozenset(
    {
        "rate_limited",
        "overloaded",
        "timeout_connect",
        "timeout_first_byte",
        "timeout_idle",
        "timeout_total",
        "connection",
        "cut_stream",
        "bad_response",
        "circuit_open",
    }
)


class Failure(RecordModel):
    """Why a step, a provider call or a run failed.

    `message` is for people and holds no prompt, result or secret. `retry_after_s` is what the provider asked for,
    or what is left until an open circuit lets a probe through, in seconds. `status` is the HTTP status, if any.
    `where` names a place in the pipeline file.
    """

    kind: FailureKind
    message: str
    retry_after_s: float | None = Field(default=None, ge=0)
    provider: str | None = None
    status: int | None = None
    where: str | None = None

    @property
    def transient(self) -> bool:
        """Whether another attempt may succeed; only transient failures are retried."""
        return self.kind in TRANSIENT_KINDS
