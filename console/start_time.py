"""When a run begins: `--at` a time, or `--in` a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from elexirion.console.exits import CommandProblem
from elexirion.events.envelope import utc_now
from elexirion.pipelines.durations import seconds_of


def start_time(at: str | None, in_: str | None) -> datetime | None:
    """The time that was asked for; None where a run is to begin now."""
    if at is not None and in_ is not None:
        raise CommandProblem("usage", "--at and --in both say when the run begins.", "Leave one of them out.")
    if in_ is not None:
        return utc_now() + timedelta(seconds=_seconds(in_))
    return None if at is None else _time(at)


def _seconds(text: str) -> float:
    try:
        return min(seconds_of(text), timedelta(days=36500).total_seconds())
    except ValueError:
        raise CommandProblem("usage", f"--in {text!r} is no span of time.", 'Say "30s", "10m", "2h" or "1d".') from None


def _time(text: str) -> datetime:
    hint = "Say it with its zone: 2026-12-01T09:00Z, or 2026-12-01T10:00+01:00."
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CommandProblem("usage", f"--at {text!r} is no time.", hint) from None
    if found.tzinfo is None:
        raise CommandProblem("usage", f"--at {text!r} does not say in which time zone.", hint)
    return found


def shown(at: datetime) -> str:
    """A time as people read it."""
    return f"{at:%Y-%m-%d %H:%M:%S} {'UTC' if not at.utcoffset() else at.strftime('%z')}"
