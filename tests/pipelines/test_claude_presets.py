"""Presets: which one holds, what it stands for, and that explicit options win."""

from typing import get_args

import pytest
from elexirion.pipelines.effective import EffectiveStep
from elexirion.pipelines.presets import PRESETS, Preset, with_preset

from tests.pipelines.files import errors_of, pipeline, steps


def _step(line: str, rest: str = "") -> EffectiveStep:
    return pipeline(steps(f"name: a, prompt: x, {line}") + rest).effective("a")


def _timeout(line: str, rest: str = "") -> float | None:
    return _step(line, rest).timeout_s


@pytest.mark.parametrize(
    ("preset", "timeout_s", "options"),
    [
        (
            "development",
            300,
            {"model": "sonnet", "max_turns": 20, "output_format": "stream_json", "allowed_tools": ["*"]},
        ),
        (
            "production",
            120,
            {
                "model": "opus",
                "fallback_model": "sonnet",
                "max_turns": 10,
                "output_format": "json",
                "allowed_tools": ["Read"],
            },
        ),
        (
            "analysis",
            180,
            {"model": "opus", "max_turns": 5, "output_format": "json", "allowed_tools": ["Read", "Glob", "Grep"]},
        ),
        ("chat", 60, {"max_turns": 15, "output_format": "text", "allowed_tools": []}),
        ("test", 30, {"max_turns": 3, "output_format": "json", "allowed_tools": ["Read"]}),
    ],
)
def test_a_preset_stands_for_options_and_a_time_limit(
    preset: str, timeout_s: float, options: dict[str, object]
) -> None:
    found = _step(f"type: claude_smart, preset: {preset}")
    assert (found.options, found.timeout_s) == (options, timeout_s)


@pytest.mark.parametrize(
    ("line", "rest", "timeout_s"),
    [
        ("preset: chat", "  defaults: {claude_preset: test}\n  environment: {mode: production}\n", 60),
        ("", "  defaults: {claude_preset: test}\n  environment: {mode: production}\n", 30),
        ("", "  environment: {mode: production}\n", 120),
        ("", "  environment: {mode: staging}\n", 300),
        ("environment_aware: false", "  environment: {mode: production}\n", 300),
    ],
)
def test_the_step_goes_before_defaults_and_these_before_the_environment(line: str, rest: str, timeout_s: int) -> None:
    """The time limit tells which preset it is; without any it is the one of development."""
    assert _timeout(f"type: claude_smart, {line}".rstrip(", "), rest) == timeout_s


def test_without_anything_claude_smart_is_in_development() -> None:
    assert _step("type: claude_smart").options["model"] == "sonnet"


@pytest.mark.parametrize("kind", ["claude", "claude_extract", "claude_robust", "claude_session"])
def test_the_other_types_have_a_preset_only_where_one_is_named(kind: str) -> None:
    production = "  environment: {mode: production}\n"
    assert _step(f"type: {kind}", production).options == {}
    assert _timeout(f"type: {kind}, preset: chat", production) == 60
    assert _timeout(f"type: {kind}", "  defaults: {claude_preset: test}\n") == 30
    assert _timeout(f"type: {kind}, environment_aware: true", production) == 120


def test_options_of_the_step_and_of_defaults_win_over_the_preset() -> None:
    defaults = "  defaults: {claude_model: haiku, claude_output_format: text, claude_options: {max_turns: 2}}\n"
    found = _step("type: claude_smart, preset: analysis, claude_options: {allowed_tools: [LS]}", defaults)
    assert found.options == {"model": "haiku", "output_format": "text", "max_turns": 2, "allowed_tools": ["LS"]}


@pytest.mark.parametrize(
    ("line", "rest", "timeout_s"),
    [
        ("timeout_ms: 7000", "", 7),
        ("claude_options: {timeout_ms: 8000}", "", 8),
        ("description: x", "  defaults: {claude_options: {timeout_ms: 9000}}\n", 9),
        ("description: x", "  defaults: {timeout_seconds: 10}\n", 10),
    ],
)
def test_a_time_limit_that_somebody_wrote_wins_over_the_preset(line: str, rest: str, timeout_s: float) -> None:
    assert _timeout(f"type: claude_smart, preset: test, {line}", rest) == timeout_s


def test_a_preset_leaves_the_options_it_was_given_alone() -> None:
    options = {"model": "haiku"}
    assert with_preset(options, None) == options
    assert with_preset(options, "chat") == {**PRESETS["chat"].options, "model": "haiku"}
    assert options == {"model": "haiku"}


def test_every_preset_has_values() -> None:
    assert set(PRESETS) == set(get_args(Preset))


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    (error,) = errors_of(steps("name: a, type: claude_smart, prompt: x, preset: staging"))
    assert "'development'" in error and "staging" in error
