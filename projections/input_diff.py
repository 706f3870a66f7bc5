"""In what the rendered input of a step differs from a recorded one: by name for messages, in full for people."""

import json
from collections.abc import Mapping
from difflib import unified_diff
from itertools import zip_longest
from typing import Any

# What says how a step is run, as against what is asked.
_HOW = ("workspace", "cache", "retry", "fallback", "fallback_action", "streaming", "result_schema")


def differing(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys whose values differ, of a text with the first line that does; never what stands there."""
    return tuple(_place(key, recorded.get(key), now.get(key)) for key in _keys(recorded, now))


def full_diff(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A unified diff of all that differs, key by key; "" where nothing does."""
    lines: list[str] = []
    for key in _keys(recorded, now):
        before, after = _lines(recorded.get(key)), _lines(now.get(key))
        lines += unified_diff(before, after, f"recorded {key}", f"now {key}", lineterm="")
    return "\n".join(lines)


def _keys(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        key
        for key in dict.fromkeys((*recorded, *now))
        if key not in _HOW and recorded.get(key) != now.get(key)
    ]  # fmt: skip


def _place(key: str, before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        inner = [f"{key}.{name}" for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
        return ", ".join(inner)
    if not (isinstance(before, str) and isinstance(after, str)):
        return key
    pairs = zip_longest(before.splitlines(), after.splitlines())
    number = next((n for n, (one, other) in enumerate(pairs, start=1) if one != other), None)
    return key if number is None else f"{key} (line {number})"


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return text.splitlines()
