"""What holds for a step after `defaults`."""

import pytest
from elexirion.pipelines.effective import EffectiveStep
from elexirion.pipelines.retry import RetryPolicy

from tests.pipelines.files import pipeline, steps

DEFAULTS = """  defaults:
    claude_model: opus
    claude_output_format: json
    claude_options: {max_turns: 3, temperature: 0.5, retry_config: {backoff_strategy: linear}}
    gemini_model: flash
    gemini_token_budget: {temperature: 0.7, top_k: 30}
    output_dir: ./made
    timeout_seconds: 20
    retry: {max_attempts: 5}
    continue_on_error: true
    cache: true
"""


def _step(line: str, *, defaults: str = "") -> EffectiveStep:
    return pipeline(steps(f"name: a, {line}") + defaults).effective("a")


def test_claude_options_of_defaults_stand_under_those_of_the_step() -> None:
    found = _step("type: claude, prompt: x, claude_options: {max_turns: 1, model: haiku}", defaults=DEFAULTS)
    assert found.options == {"model": "haiku", "output_format": "json", "max_turns": 1, "temperature": 0.5}


def test_gemini_defaults_stand_under_the_budget_of_the_step() -> None:
    found = _step("type: gemini, prompt: x, token_budget: {temperature: 0.1}", defaults=DEFAULTS)
    assert found.options == {"model": "flash", "temperature": 0.1, "top_k": 30}


def test_everything_else_of_defaults_applies() -> None:
    found = _step("type: test_echo", defaults=DEFAULTS)
    assert (found.timeout_s, found.continue_on_error, found.output_dir) == (20, True, "./made")
    assert found.retry == RetryPolicy(max_attempts=5, backoff="linear")
    assert found.cache is not None and found.cache.ttl_seconds == 3600


def test_the_keys_of_a_step_stand_before_defaults() -> None:
    line = "type: test_echo, continue_on_error: false, cache: false, retry: {base_delay_ms: 5}, timeout: 1500"
    found = _step(line, defaults=DEFAULTS)
    assert (found.timeout_s, found.continue_on_error, found.cache) == (1.5, False, None)
    assert found.retry == RetryPolicy(max_attempts=5, base_delay_ms=5, backoff="linear")


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ("type: test_echo", 300),
        ("type: set_variable, variables: {}", None),
        ("type: test_echo, timeout: 30000", 30),
        ("type: test_echo, timeout: 30s", 30),
        ("type: test_echo, timeout: 500ms", 0.5),
        ("type: test_echo, timeout: 5m", 300),
        ("type: test_echo, timeout: 1h", 3600),
        ("type: test_echo, timeout_ms: 40, timeout: 30s", 0.04),
        ("type: test_echo, timeout_seconds: 2.5", 2.5),
        ("type: claude, prompt: x, claude_options: {timeout_ms: 5000}", 5),
        ("type: claude, prompt: x, timeout: 7s, claude_options: {timeout_ms: 5000}", 7),
    ],
)
def test_a_timeout_in_every_spelling_is_a_number_of_seconds(keys: str, seconds: float | None) -> None:
    assert _step(keys).timeout_s == seconds


def test_timeout_defaults_leave_steps_without_a_limit_alone() -> None:
    assert _step("type: set_variable, variables: {}", defaults=DEFAULTS).timeout_s is None


def test_retry_config_of_claude_options_is_the_retry_of_the_step() -> None:
    config = "{max_retries: 2, backoff_strategy: exponential, retry_on: [timeout]}"
    found = _step(f"type: claude, prompt: x, claude_options: {{retry_config: {config}}}")
    assert found.retry == RetryPolicy(max_attempts=3, backoff="exponential", retry_on=("timeout",))
    assert "retry_config" not in found.options


def test_a_step_without_retry_has_three_attempts_from_one_second() -> None:
    assert _step("type: test_echo").retry == RetryPolicy(
        max_attempts=3, base_delay_ms=1000, max_delay_ms=30000, backoff="exponential", jitter=False
    )
