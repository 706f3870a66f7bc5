"""How often and how fast a failed attempt is repeated."""

from collections.abc import Iterable, Mapping
from typing import Literal

from elexirion.pipelines.model import Model, NotNegative, Positive
from pydantic import Field

Backoff = Literal["exponential", "linear", "fixed"]

# What older files call the causes of a retry, and the kinds of failure that these are; other names stay as they are.
CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "api_error": ("rate_limited", "overloaded", "bad_response", "connection", "cut_stream"),
    "connection_error": ("connection", "timeout_connect", "cut_stream"),
    "network_error": ("connection", "timeout_connect", "cut_stream"),
    "rate_limit": ("rate_limited",),
    "server_error": ("overloaded", "bad_response"),
}


class RetryPolicy(Model, frozen=True):
    """The retry of a step; delays in milliseconds."""

    max_attempts: Positive = Field(default=3, le=100)
    """Attempts in all, the first included."""
    base_delay_ms: NotNegative = 1000
    """Delay before the second attempt."""
    max_delay_ms: NotNegative = 30000
    """No delay is longer than this."""
    backoff: Backoff = "exponential"
    """How the delay grows from attempt to attempt."""
    jitter: bool = False
    """Whether the delay varies at random, so that many steps do not repeat at one moment."""
    retry_on: tuple[str, ...] | None = None
    """Kinds of failure that are repeated; without it, those that pass by themselves."""


def failure_kinds(conditions: Iterable[str]) -> tuple[str, ...]:
    """The kinds of failure behind these names, each once.

    A turn limit that was reached (`max_turns`) is no failure: the step answers with a fallback, and repeats nothing.
    """
    return tuple(dict.fromkeys(kind for name in conditions for kind in CONDITIONS.get(name, (name,))))


class RetryConfig(Model, frozen=True):
    """`retry_config` of `claude_options`: an older spelling of `retry`."""

    max_retries: NotNegative | None = Field(default=None, le=99)
    """Repetitions after the first attempt."""
    backoff_strategy: Backoff | None = None
    """How the delay grows from attempt to attempt."""
    base_delay_ms: NotNegative | None = None
    """Delay before the second attempt, in milliseconds."""
    max_delay_ms: NotNegative | None = None
    """No delay is longer than this, in milliseconds."""
    retry_on: tuple[str, ...] | None = None
    """Kinds of failure that are repeated."""
    retry_conditions: tuple[str, ...] | None = None
    """Another name of `retry_on`."""

    def as_policy(self) -> RetryPolicy:
        """The same as a `retry`, with only the keys that were given set."""
        given = {
            "max_attempts": None if self.max_retries is None else self.max_retries + 1,
            "base_delay_ms": self.base_delay_ms,
            "max_delay_ms": self.max_delay_ms,
            "backoff": self.backoff_strategy,
            "retry_on": failure_kinds(self.retry_on or self.retry_conditions or ()) or None,
        }
        return RetryPolicy.model_validate({key: value for key, value in given.items() if value is not None})


def merged_retry(*policies: RetryPolicy | None) -> RetryPolicy:
    """The first policy that gives a key decides it; keys that none gives have their defaults."""
    given: dict[str, object] = {}
    for policy in reversed(policies):
        if policy is not None:
            given.update(policy.model_dump(exclude_unset=True))
    return RetryPolicy.model_validate(given)


def merged_retry_or_none(*policies: RetryPolicy | None) -> RetryPolicy | None:
    """The same, or None when there is no policy at all."""
    return merged_retry(*policies) if any(policies) else None
