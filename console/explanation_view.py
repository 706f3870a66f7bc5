"""An explanation for people: the split of the time, the steps, what was lost, and what is waited for."""

from __future__ import annotations

from collections.abc import Sequence

from elexirion.console.run_tables import cost, print_rows, seconds, status_text
from elexirion.projections.explain import Explanation, StepAccount
from elexirion.projections.explain_time import Doing, Stretch
from rich.console import Console
from rich.text import Text

MOST_GAPS = 10
WORDS: dict[Doing, str] = {
    "provider": "at providers",
    "running": "running elsewhere",
    "queued": "given to a worker, not begun",
    "paused": "paused",
    "retry": "waiting for a retry",
    "approval": "waiting for an approval",
    "delay": "waiting for a time",
    "child": "waiting for another run",
    "deciding": "between steps",
}
HEADINGS = (
    "step", "status", "waited", "ran", "provider", "first chunk", "tools", "tries", "retry wait", "lost", "cost",
    "repeated", "positions",
)  # fmt: skip
NOTHING = "-"


def print_explanation(explained: Explanation, console: Console) -> None:
    """Everything worth knowing, the present need first."""
    head = f"{explained.run_id} {explained.status or 'not started'} · {seconds(explained.duration_s)}"
    console.print(Text(f"{head} · {cost(explained.cost_usd)}", style="bold"))
    _waits(explained, console)
    _reasons(explained, console)
    _time(explained, console)
    _steps(explained.steps, console)
    _gaps(explained.gaps, console)
    if explained.repeated_cost_usd != 0:
        said = Text(
            f"\nspent by executions that were given up, and part of no total: {cost(explained.repeated_cost_usd)}"
        )
        console.print(said, soft_wrap=True)


def _waits(explained: Explanation, console: Console) -> None:
    if explained.waits:
        _heading("waits for", console)
    for wait in explained.waits:
        _line(wait.text, (wait.position,) if wait.position else (), console)


def _reasons(explained: Explanation, console: Console) -> None:
    if explained.reasons:
        _heading("went wrong", console)
    for reason in explained.reasons:
        _line(reason.text, reason.positions, console)


def _time(explained: Explanation, console: Console) -> None:
    if not explained.duration_s:
        return
    _heading("time", console)
    for doing, words in WORDS.items():
        took = explained.time.get(doing)
        if took:
            console.print(f"  {seconds(took):>8}  {took / explained.duration_s:4.0%}  {words}")


def _gaps(gaps: Sequence[Stretch], console: Console) -> None:
    if gaps:
        _heading("nothing ran", console)
    for gap in gaps[:MOST_GAPS]:
        until = "now" if gap.until is None else str(gap.until)
        console.print(Text(f"  {seconds(gap.seconds):>8}  {WORDS[gap.doing]} [{gap.since} to {until}]"))
    if len(gaps) > MOST_GAPS:
        console.print(f"  and {len(gaps) - MOST_GAPS} shorter ones")


def _steps(steps: Sequence[StepAccount], console: Console) -> None:
    """Only the columns in which there is something: a terminal has room for so many."""
    rows = [_row(step) for step in steps]
    kept = [n for n in range(len(HEADINGS)) if any(str(row[n]) != NOTHING for row in rows)]
    if rows:
        console.print()
        print_rows([HEADINGS[n] for n in kept], ([row[n] for n in kept] for row in rows), console)


def _row(step: StepAccount) -> list[str | Text]:
    ran = step.executions > 0
    return [
        Text(step.step), status_text(step.status), seconds(step.waited_s) if ran else NOTHING,
        seconds(step.ran_s) if ran else NOTHING, _if(step.provider_s), seconds(step.first_chunk_s), _if(step.tools_s),
        str(step.executions or NOTHING), _if(step.retry_wait_s), _if(step.lost_s),
        cost(step.cost_usd) if step.cost_usd != 0 else NOTHING,
        cost(step.repeated_cost_usd) if step.repeated_cost_usd != 0 else NOTHING, places(step.positions) or NOTHING,
    ]  # fmt: skip


def _if(value: float) -> str:
    return seconds(value) if value else NOTHING


def places(positions: Sequence[int]) -> str:
    """Positions as people write them: `2 to 5, 9`."""
    runs: list[list[int]] = []
    for position in sorted(set(positions)):
        if runs and position == runs[-1][-1] + 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _heading(text: str, console: Console) -> None:
    console.print(Text(f"\n{text}", style="bold"))


def _line(text: str, positions: Sequence[int], console: Console) -> None:
    where = f" [{places(positions)}]" if positions else ""
    console.print(Text(f"  {text}{where}"), soft_wrap=True)
