"""A run as it happens: on a terminal all open steps at once, elsewhere as plain text, one step after another."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Protocol, TextIO, TypeAlias

from elexirion.client import Chunk, Entry
from elexirion.events import step
from elexirion.projections.run_state import RunState
from elexirion.projections.told import news
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

LIVE_LINES = 14
Update: TypeAlias = Entry | Chunk


class RunView(Protocol):
    """Shows the updates of a run, in order."""

    def show(self, update: Update) -> None:
        """Take the next one."""
        ...

    def close(self) -> None:
        """The run ended, or nobody looks any more."""
        ...


def view_for(out: TextIO = sys.stdout) -> RunView:
    """The view that suits where the output goes."""
    return TerminalView(Console(file=out)) if out.isatty() else PlainView(out)


@dataclass(slots=True)
class _Text:
    """The text of a step's present execution."""

    execution_id: str = ""
    pieces: list[str] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        if chunk.execution_id != self.execution_id:
            self.execution_id, self.pieces = chunk.execution_id, []
        self.pieces.append(chunk.text)

    def __str__(self) -> str:
        return "".join(self.pieces)


class PlainView:
    """Streams one step at a time; the text of others waits until their turn comes.

    What is written cannot be taken back: a further execution of a step begins under a heading that says so.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._current: str | None = None
        self._written: dict[str, str] = {}
        self._waiting: dict[str, _Text] = {}
        self._done: set[str] = set()

    def show(self, update: Update) -> None:
        """Write what can be written now."""
        if isinstance(update, Chunk):
            self._chunk(update)
        else:
            self._entry(update)
        self._out.flush()

    def close(self) -> None:
        """Write what still waits."""
        self._done.update(self._waiting)
        if self._current is not None:
            self._end(self._current)
        self._go_on()
        self._out.flush()

    def _entry(self, entry: Entry) -> None:
        line = told(entry)
        if line:
            self._out.write(f"\n{line}\n" if self._current else f"{line}\n")
        self._waiting.pop(given_up_step(entry) or "", None)
        ended = ended_step(entry)
        if ended:
            self._end(ended)

    def _chunk(self, chunk: Chunk) -> None:
        if chunk.superseded:
            return
        if self._current not in (None, chunk.step):
            self._done.discard(chunk.step)
            self._waiting.setdefault(chunk.step, _Text()).add(chunk)
            return
        if self._current is None or self._written.get(chunk.step) != chunk.execution_id:
            self._begin(chunk.step, chunk.execution_id)
        self._out.write(chunk.text)

    def _begin(self, name: str, execution_id: str) -> None:
        again = self._written.get(name) not in (None, execution_id)
        self._out.write(f"\n── {name}{' again: its text above does not count' if again else ''}\n")
        self._current, self._written[name] = name, execution_id

    def _end(self, name: str) -> None:
        if self._current == name:
            self._close()
        else:
            self._done.add(name)
        self._go_on()

    def _close(self) -> None:
        self._out.write("\n")
        self._current = None

    def _go_on(self) -> None:
        while self._current is None and self._waiting:
            name = next(iter(self._waiting))
            text = self._waiting.pop(name)
            self._begin(name, text.execution_id)
            self._out.write(str(text))
            if name in self._done:
                self._done.discard(name)
                self._close()


class TerminalView:
    """A live region with every open step and the end of its text; a step that ended is printed above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: dict[str, _Text] = {}
        self._live = Live(console=console, refresh_per_second=12, transient=True, get_renderable=self._render)
        self._live.start()

    def show(self, update: Update) -> None:
        """Take the update into the picture."""
        if isinstance(update, Chunk):
            if not update.superseded:
                self._open.setdefault(update.step, _Text()).add(update)
            return
        data = update.record.data if update.record and update.of_run else None
        if isinstance(data, step.StepScheduled):
            self._open.setdefault(data.step, _Text())
        line = told(update)
        if line:
            self._console.print(Text(line, style="dim"))
        ended = ended_step(update)
        if ended:
            self._print(ended, self._open.pop(ended, _Text()))

    def close(self) -> None:
        """Leave the terminal as a log of what was shown."""
        for name, text in self._open.items():
            self._print(name, text)
        self._open.clear()
        self._live.stop()

    def _print(self, name: str, text: _Text) -> None:
        if str(text):
            self._console.rule(f"[bold]{escape(name)}", align="left", style="dim")
            self._console.print(Text(str(text)))

    def _render(self) -> Group:
        lines = max(1, LIVE_LINES // max(1, len(self._open)))
        parts: list[Text | Spinner] = []
        for name, text in self._open.items():
            parts.append(Spinner("dots", text=Text(f" {name} · {len(text.pieces)} chunks", style="bold")))
            parts.append(Text("\n".join(str(text).splitlines()[-lines:])))
        return Group(*parts)


def told(entry: Entry) -> str | None:
    """What a person is told about a record, besides text."""
    return news(entry.record) if entry.record and entry.of_run else None


def ended_step(entry: Entry) -> str | None:
    """The step whose text is complete with this record."""
    data = entry.record.data if entry.record and entry.of_run else None
    state: RunState | None = entry.state
    if state is None or not isinstance(data, step.StepCompleted | step.StepFailed | step.StepTimedOut):
        return None
    return state.executions[data.execution_id].step


def given_up_step(entry: Entry) -> str | None:
    """The step whose text so far is no part of its result: another execution follows."""
    data = entry.record.data if entry.record and entry.of_run else None
    if entry.state is None or not isinstance(data, step.StepOrphaned | step.StepReleased | step.StepDeclined):
        return None
    return entry.state.executions[data.execution_id].step
