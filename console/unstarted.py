"""What is told of a run that has no RunStarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elexirion.console.exits import CommandProblem

if TYPE_CHECKING:
    from elexirion.client import RunLog


def not_started(log: RunLog) -> CommandProblem:
    """The problem of a run whose start was rejected, or is not decided yet."""
    if not log.rejections:
        text = f"run {log.run_id} has not started: its start was received and nothing is decided about it."
        return CommandProblem("not_started", text, f"What it waits for: elexirion explain {log.run_id}")
    why = "; ".join(rejected.reason for rejected in log.rejections)
    return CommandProblem("rejected", f"run {log.run_id} did not start: {why}")
