"""What holds for one step after `defaults` are applied."""

from dataclasses import dataclass
from typing import Any

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.options import CacheOptions
from elexirion.pipelines.retry import RetryPolicy, merged_retry
from elexirion.pipelines.steps.step import Step


@dataclass(frozen=True, slots=True)
class EffectiveStep:
    """A step with its time limit in seconds (None: without limit), retry, and options as plain JSON."""

    step: Step
    timeout_s: float | None
    retry: RetryPolicy
    continue_on_error: bool
    cache: CacheOptions | None
    output_dir: str
    options: dict[str, Any]


def effective_step(step: Step, defaults: Defaults, output_dir: str) -> EffectiveStep:
    """The step's own keys over those of `defaults`."""
    continues = step.continue_on_error
    return EffectiveStep(
        step=step,
        timeout_s=_timeout_s(step, defaults),
        retry=merged_retry(step.own_retry(), defaults.retry, _older_retry(defaults)),
        continue_on_error=bool(defaults.continue_on_error if continues is None else continues),
        cache=_cache(defaults.cache if step.cache is None else step.cache),
        output_dir=defaults.output_dir or output_dir,
        options=step.effective_options(defaults),
    )


def _timeout_s(step: Step, defaults: Defaults) -> float | None:
    own = step.own_timeout_s()
    if own is not None or step.default_timeout_s is None:
        return own
    options = defaults.claude_options
    if step.lane == "claude" and options is not None and options.timeout_ms is not None:
        return options.timeout_ms / 1000
    return defaults.timeout_seconds or step.default_timeout_s


def _older_retry(defaults: Defaults) -> RetryPolicy | None:
    options = defaults.claude_options
    return options.retry_config.as_policy() if options and options.retry_config else None


def _cache(cache: bool | CacheOptions | None) -> CacheOptions | None:
    if isinstance(cache, CacheOptions):
        return cache
    return CacheOptions() if cache else None
