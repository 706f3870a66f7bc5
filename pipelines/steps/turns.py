"""The result of a loop, from its turns."""

from collections.abc import Sequence
from typing import Any

from elexirion.pipelines.steps.composite import Part


def loop_result(parts: Sequence[Part], ended_because: str) -> dict[str, Any]:
    """How many turns there were, why there were no more, and what each of them gave, in order."""
    return {
        "iterations": sum(part.status != "skipped" for part in parts),
        "ended_because": ended_because,
        "completed": sum(part.status == "completed" for part in parts),
        "failed": sum(part.status == "failed" for part in parts),
        "skipped": sum(part.status == "skipped" for part in parts),
        "results": [_turn(part) for part in parts],
    }


def _turn(part: Part) -> dict[str, Any]:
    ended = {"index": part.index, "status": part.status, "result": part.result, "error": part.error}
    return {**ended, "steps": dict(part.steps or {})}
