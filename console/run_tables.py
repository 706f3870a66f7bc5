"""Tables of runs and steps for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from elexirion.client import RunResult, StepResult
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 240
STYLES = {"completed": "green", "failed": "red", "skipped": "dim", "running": "cyan", "cancelled": "yellow"}


def print_result(result: RunResult, console: Console) -> None:
    """The steps with time, tokens and cost, the result or the failure, and the totals."""
    table = Table("step", "type", "status", "time", "tokens", "cost", box=None, pad_edge=False, header_style="bold")
    names = [step.name for step in result.steps]
    for step in result.steps:
        table.add_row(label(step.name, names), *_row(step))
    console.print()
    console.print(table)
    if shown := result_text(result):
        console.print(Text(f"\n{shown}"), soft_wrap=True)
    if result.failure:
        where = f" in {result.failed_step}" if result.failed_step else ""
        console.print(Text(f"\n{result.failure.kind}{where}: {result.failure.message}", style="red"), soft_wrap=True)
    console.print(Text(f"\n{totals(result)}", style="bold"))


def label(path: str, paths: Sequence[str]) -> str:
    """A step's name, or what it is called inside of the step above it, further in by two for each step around it."""
    around = [other for other in paths if path.startswith(f"{other}/")]
    return "  " * len(around) + (path.removeprefix(f"{max(around, key=len)}/") if around else path)


def result_text(result: RunResult) -> str | None:
    """The run's result for people; None where it is a text that a step streamed already."""
    if result.result is None or (
        isinstance(result.result, str) and result.result in [step.result for step in result.steps]
    ):
        return None
    said = result.result if isinstance(result.result, str) else json.dumps(result.result, ensure_ascii=False, indent=2)
    return f"result: {said}"


def totals(result: RunResult) -> str:
    """One line about the whole run."""
    tokens = result.usage.input_tokens + result.usage.output_tokens
    parts = [
        f"{result.run_id} {result.status}",
        seconds(result.duration_s),
        f"{tokens} tokens",
        cost(result.cost_usd),
    ]
    if result.offline:
        parts.append("offline")
    return " · ".join(parts)


def status_text(status: str, fallback: str | None = None, carried_from: str | None = None) -> Text:
    """A status in its colour, and who or what stood in for the step's own answer."""
    shown = Text(status, style=STYLES.get(status, ""))
    if carried_from:
        shown.append(" (carried)", "dim")
    return shown.append(f" by {fallback}", "yellow") if fallback else shown


def seconds(value: float | None) -> str:
    """A duration as people read it."""
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def cost(value: float | None) -> str:
    """US dollars; an unknown price is said to be unknown."""
    return "cost unknown" if value is None else f"${value:.4f}"


def on_stdout() -> Console:
    """Where tables go: as wide as the terminal, or as wide as they need to be in a pipe or file."""
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[str | Text]], console: Console) -> None:
    """A plain table; the ids in its first column are never cut."""
    cells = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        longest = max((len(row[index]) for row in cells), default=0)
        table.add_column(heading, no_wrap=True, min_width=longest if index == 0 else None)
    for row in cells:
        table.add_row(*row)
    console.print(table)


def _row(step: StepResult) -> list[str | Text]:
    tokens = step.usage.input_tokens + step.usage.output_tokens
    spent = cost(step.cost_usd) if tokens or step.cost_usd else "-"
    used = str(tokens) if tokens else "-"
    return [
        step.type,
        status_text(step.status, step.fallback, step.carried_from),
        seconds(step.duration_s),
        used,
        spent,
    ]
