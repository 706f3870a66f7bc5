"""Presets: options for a kind of use under one name. What a file says itself wins over its preset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Preset = Literal["development", "production", "analysis", "chat", "test"]
DEFAULT_PRESET: Preset = "development"
EVERY_TOOL = "*"


@dataclass(frozen=True, slots=True)
class PresetValues:
    """What a preset stands for: `claude_options`, and the longest time of one attempt in seconds."""

    timeout_s: float
    options: Mapping[str, Any]


PRESETS: Mapping[Preset, PresetValues] = {
    "development": PresetValues(
        300.0,
        {"model": "sonnet", "max_turns": 20, "output_format": "stream_json", "allowed_tools": [EVERY_TOOL]},
    ),
    "production": PresetValues(
        120.0,
        {
            "model": "opus",
            "fallback_model": "sonnet",
            "max_turns": 10,
            "output_format": "json",
            "allowed_tools": ["Read"],
        },
    ),
    "analysis": PresetValues(
        180.0,
        {"model": "opus", "max_turns": 5, "output_format": "json", "allowed_tools": ["Read", "Glob", "Grep"]},
    ),
    "chat": PresetValues(60.0, {"max_turns": 15, "output_format": "text", "allowed_tools": []}),
    "test": PresetValues(30.0, {"max_turns": 3, "output_format": "json", "allowed_tools": ["Read"]}),
}


def with_preset(options: Mapping[str, Any], preset: Preset | None) -> dict[str, Any]:
    """`options` over those of the preset, key by key; without a preset just the options."""
    return dict(options) if preset is None else {**PRESETS[preset].options, **options}


def preset_timeout_s(preset: Preset | None) -> float | None:
    """Seconds that a preset gives one attempt; None without a preset."""
    return None if preset is None else PRESETS[preset].timeout_s


def preset_of_environment(environment: Mapping[str, Any]) -> Preset:
    """The preset that `environment.mode` names; development where it names none."""
    mode = environment.get("mode")
    for preset in PRESETS:
        if preset == mode:
            return preset
    return DEFAULT_PRESET
