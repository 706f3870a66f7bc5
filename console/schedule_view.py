"""Schedules for people."""

from __future__ import annotations

from collections.abc import Sequence

from elexirion.client.schedules import Firing, ScheduleSummary
from elexirion.console.run_tables import on_stdout, print_rows, status_text
from elexirion.console.start_time import shown
from rich.text import Text


def print_list(found: Sequence[ScheduleSummary]) -> None:
    """One line each."""
    rows: list[list[str | Text]] = [
        [one.schedule_id, one.pipeline, Text(f"{one.rule.cron} ({one.rule.timezone})"), status_text(one.status),
         shown(one.next_at) if one.next_at else "-", one.last_run_id or "-", str(one.fired), str(one.skipped)]
        for one in found
    ]  # fmt: skip
    print_rows(("schedule", "pipeline", "times", "status", "next", "last run", "runs", "skipped"), rows, on_stdout())


def print_schedule(one: ScheduleSummary, firings: Sequence[Firing]) -> None:
    """All about one, the newest of its times first."""
    console = on_stdout()
    console.print(Text.assemble((one.schedule_id, "bold"), f"  {one.status}  {one.pipeline}"))
    console.print(
        Text(f"{one.rule.cron} ({one.rule.timezone}), missed: {one.rule.missed}, overlap: {one.rule.overlap}")
    )
    if one.next_at is not None:
        console.print(f"next run at {shown(one.next_at)}")
    console.print(f"{one.fired} runs, {one.skipped} times skipped, {len(one.open_runs)} open")
    rows: list[list[str | Text]] = [
        [shown(f.due_at), str(f.count), f.run_id or "-", status_text(f.status)] for f in firings
    ]
    print_rows(("due", "times", "run", "status"), rows, console)
