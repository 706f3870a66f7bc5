"""claude_robust in a file: its retry is the one of the step, and what stands in for an answer."""

from typing import Any

import pytest
from elexirion.pipelines.loader import load_file
from elexirion.pipelines.names import Scope
from elexirion.pipelines.rendering import render_step
from elexirion.pipelines.retry import RetryPolicy

from tests.pipelines.files import SHARED, errors_of, pipeline, steps

API_ERRORS = ("rate_limited", "overloaded", "bad_response", "connection", "cut_stream")


def _retry(keys: str, rest: str = "") -> RetryPolicy:
    return pipeline(steps(f"name: a, type: claude_robust, prompt: x, {keys}") + rest).effective("a").retry


def _config(keys: str) -> dict[str, Any]:
    found = pipeline(steps(f"name: a, type: claude_robust, prompt: x, {keys}"))
    return render_step(found, "a", Scope(), lambda path: b"").config


def test_three_retries_from_one_second_are_the_default() -> None:
    assert _retry("description: x") == RetryPolicy(max_attempts=4, base_delay_ms=1000, backoff="exponential")


def test_retry_config_is_the_retry_of_the_step() -> None:
    found = _retry(
        "retry_config: {max_retries: 1, backoff_strategy: linear, base_delay_ms: 5, max_delay_ms: 6, "
        "retry_conditions: [timeout, api_error, max_turns]}"
    )
    assert found == RetryPolicy(
        max_attempts=2,
        base_delay_ms=5,
        max_delay_ms=6,
        backoff="linear",
        retry_on=("timeout", *API_ERRORS, "max_turns"),
    )


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        ("timeout", ("timeout",)),
        ("rate_limit", ("rate_limited",)),
        ("api_error", API_ERRORS),
        ("overloaded", ("overloaded",)),
    ],
)
def test_conditions_are_kinds_of_failure(condition: str, kinds: tuple[str, ...]) -> None:
    assert _retry(f"retry_config: {{retry_conditions: [{condition}, {condition}]}}").retry_on == kinds


def test_the_more_exact_retry_wins() -> None:
    older = "claude_options: {retry_config: {max_retries: 7, base_delay_ms: 70}}"
    assert _retry(older).max_attempts == 8
    assert _retry(f"retry_config: {{max_retries: 1}}, {older}").max_attempts == 2
    both = _retry(f"retry: {{max_attempts: 9}}, retry_config: {{max_retries: 1, base_delay_ms: 10}}, {older}")
    assert (both.max_attempts, both.base_delay_ms) == (9, 10)
    defaults = _retry("description: x", "  defaults: {retry: {max_attempts: 1, max_delay_ms: 5}}\n")
    assert (defaults.max_attempts, defaults.max_delay_ms) == (4, 5)


def test_the_worker_knows_which_attempt_is_the_last() -> None:
    config = _config("retry_config: {max_retries: 1, retry_conditions: [timeout]}, retry: {max_attempts: 5}")
    assert config["retry"] == {"max_attempts": 5, "retry_on": ["timeout"]}
    assert _config("description: x")["retry"] == {"max_attempts": 4, "retry_on": []}


@pytest.mark.parametrize(
    ("keys", "action"),
    [
        ("description: x", None),
        ("fallback_action: emergency_response", "emergency_response"),
        ("fallback_action: use_cached_response", "cached_response"),
        ("retry_config: {fallback_action: simplified_prompt}", "simplified_prompt"),
        (
            "fallback_action: cached_response, retry_config: {fallback_action: graceful_degradation}",
            "cached_response",
        ),
    ],
)
def test_what_stands_in_is_named_by_the_step_or_its_retry_config(keys: str, action: str | None) -> None:
    assert _config(keys)["fallback_action"] == action


def test_an_unknown_action_is_refused() -> None:
    (error,) = errors_of(steps("name: a, type: claude_robust, prompt: x, fallback_action: pray"))
    assert "pray" in error and "simplified_prompt" in error


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the files of users are not at {SHARED}")
def test_the_robust_file_of_users_loads_with_its_retries_and_actions() -> None:
    found = load_file(SHARED / "examples__claude_robust_example.yaml").pipeline
    effective = [found.effective(step.name) for step in found.steps]
    assert [(one.retry.max_attempts, one.retry.backoff, one.timeout_s) for one in effective] == [
        (4, "exponential", 5),
        (3, "linear", 8),
        (3, "exponential", 10),
        (2, "linear", 12),
    ]
