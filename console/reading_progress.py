"""How far the reading of the log is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from elexirion.console.exits import note
from rich.console import Console

if TYPE_CHECKING:
    from elexirion.client.log_check import Progress

STEP = 1_000
SAID_EVERY = 100_000


@contextmanager
def reading_on_stderr() -> Iterator[Callable[[Progress], None]]:
    """Show how many records were read, of how many."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def told(progress: Progress) -> None:
            if progress.read % STEP == 0 or progress.read == progress.total:
                bar.update(task, completed=progress.read, total=progress.total, description=progress.topic)

        yield told


def _plain(progress: Progress) -> None:
    if progress.read % SAID_EVERY == 0:
        note(f"{progress.read} of {progress.total} records read")
