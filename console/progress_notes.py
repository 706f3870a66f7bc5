"""The broker's start as a person sees it: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from elexirion.console.broker.progress import Doing, Fetched, Note, OnProgress, Progress
from elexirion.console.exits import note
from rich.console import Console
from rich.text import Text


@contextmanager
def progress_on_stderr() -> Iterator[OnProgress]:
    """Tell what is going on while it lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain
        return
    with console.status("") as spinner:
        yield (
            lambda progress: (
                console.print(progress.text) if isinstance(progress, Note) else spinner.update(Text(_text(progress)))
            )
        )


def _plain(progress: Progress) -> None:
    if not isinstance(progress, Fetched) or progress.done == progress.total:
        note(_text(progress))


def _text(progress: Progress) -> str:
    match progress:
        case Note(text=text):
            return text
        case Doing(text=text):
            return f"{text} …"
        case Fetched(done=done, total=total, bytes=size):
            return f"Fetching Apache Kafka: {done} of {total} jars, {size / 1e6:.0f} MB …"
