"""What holds for one step after `defaults` are applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from elexirion.pipelines.defaults import Defaults
from elexirion.pipelines.options import CacheOptions
from elexirion.pipelines.presets import Preset, preset_timeout_s, with_preset
from elexirion.pipelines.retry import RetryPolicy, merged_retry
from elexirion.pipelines.steps.claude import ClaudeCall
from elexirion.pipelines.steps.step import Step

NO_ENVIRONMENT: Mapping[str, Any] = MappingProxyType({})


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


def effective_step(
    step: Step, defaults: Defaults, output_dir: str, environment: Mapping[str, Any] = NO_ENVIRONMENT
) -> EffectiveStep:
    """The step's own keys over those of `defaults`, and both over those of a preset."""
    continues = step.own_continue_on_error()
    preset = step.preset_in(defaults, environment) if isinstance(step, ClaudeCall) else None
    return EffectiveStep(
        step=step,
        timeout_s=_timeout_s(step, defaults, preset),
        retry=merged_retry(step.own_retry(), defaults.retry, _older_retry(defaults)),
        continue_on_error=bool(defaults.continue_on_error if continues is None else continues),
        cache=_cache(defaults.cache if step.cache is None else step.cache),
        output_dir=defaults.output_dir or output_dir,
        options=with_preset(step.effective_options(defaults), preset),
    )


def _timeout_s(step: Step, defaults: Defaults, preset: Preset | None) -> float | None:
    own = step.own_timeout_s()
    if own is not None or step.default_timeout_s is None:
        return own
    options = defaults.claude_options
    if step.lane == "claude" and options is not None and options.timeout_ms is not None:
        return options.timeout_ms / 1000
    return defaults.timeout_seconds or preset_timeout_s(preset) or step.default_timeout_s


def _older_retry(defaults: Defaults) -> RetryPolicy | None:
    options = defaults.claude_options
    return options.retry_config.as_policy() if options and options.retry_config else None


def _cache(cache: bool | CacheOptions | None) -> CacheOptions | None:
    if isinstance(cache, CacheOptions):
        return cache
    return CacheOptions() if cache else None
