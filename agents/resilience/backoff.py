"""How long to wait before another attempt. The delay is chosen once and recorded in StepRetryScheduled."""

from dataclasses import dataclass
from typing import Literal

from elexirion.events.failure import Failure

Backoff = Literal["exponential", "linear", "fixed"]


@dataclass(frozen=True, slots=True)
class RetryRule:
    """When and how often a step is tried again. `retry_on` narrows the kinds; empty means all transient ones."""

    max_attempts: int = 3
    base_delay_ms: int = 1000
    max_delay_ms: int = 30_000
    backoff: Backoff = "exponential"
    jitter: bool = False
    retry_on: tuple[str, ...] = ()


def worth_another(rule: RetryRule, failure: Failure, failures: int) -> bool:
    """Whether an attempt follows after `failures` failed ones; permanent failures never get one."""
    return failure.transient and _named(rule, failure) and failures < rule.max_attempts


def delay_s(rule: RetryRule, failures: int, failure: Failure, jitter: float) -> float:
    """Seconds before the attempt after `failures` failed ones (1 s, 2 s, 4 s, … by default).

    A provider's Retry-After counts where it is longer, up to the cap. `jitter` in [0, 1) shortens the delay by
    up to a half where the rule asks for it.
    """
    cap = rule.max_delay_ms / 1000
    delay = min(_growth(rule, failures) * rule.base_delay_ms / 1000, cap)
    if rule.jitter:
        delay *= 1 - jitter / 2
    return min(max(delay, failure.retry_after_s or 0.0), cap)


def _named(rule: RetryRule, failure: Failure) -> bool:
    # An open circuit stands for the failures of others that opened it: it is no kind of its own to a rule.
    if not rule.retry_on or failure.kind == "circuit_open":
        return True
    return any(failure.kind == kind or failure.kind.startswith(kind) for kind in rule.retry_on)


def _growth(rule: RetryRule, failures: int) -> int:
    match rule.backoff:
        case "exponential":
            return int(2 ** min(failures - 1, 62))
        case "linear":
            return failures
        case "fixed":
            return 1
