"""The positions of a run, and the run at one of them, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from elexirion.projections.context_diff import Difference, path_text
from elexirion.projections.replay import Event, ExecutionText, Moment, Recording
from elexirion.projections.told import in_words, short
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

MOST_PATHS = 2
LONGEST_VALUE = 300
MARKS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}
_NO_NEWS = ("metadata", "current_step")
"""Places that nearly every event changes."""


def print_positions(recording: Recording, console: Console) -> None:
    """One line an event, more where the terminal is narrow; through a pager where it is too low for all."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, whole in (("position", True), ("at (UTC)", True), ("event", True), ("about", False),
                           ("changed", False), ("chunks", True)):  # fmt: skip
        table.add_column(heading, no_wrap=whole, overflow="fold")
    for event in recording.events:
        table.add_row(*_row(event))
    long = console.is_terminal and len(recording.events) > console.height - 3
    with console.pager(styles=True) if long else nullcontext():
        console.print(table)


def _row(event: Event) -> list[str | Text]:
    position, last = event.state.position, len(event.chunks)
    chunks = "" if not last else f"{position}.1" if last == 1 else f"{position}.1 to {position}.{last}"
    at = f"{event.record.at:%H:%M:%S.%f}"[:-3]
    return [str(position), at, event.record.type, Text(in_words(event.record)), Text(changed_places(event)), chunks]


def changed_places(event: Event) -> str:
    """Where the event changed the context, in a few words: steps by their names; the start made all of it."""
    if event.before is None:
        return "the whole context"
    news = [difference.place for difference in event.changes if difference.place[0] not in _NO_NEWS]
    paths = [path_text(place[1:] if place[0] == "step_results" else place) for place in news]
    rest = f" and {len(paths) - MOST_PATHS} more" if len(paths) > MOST_PATHS else ""
    return ", ".join(paths[:MOST_PATHS]) + rest


def print_moment(moment: Moment, positions: int, console: Console) -> None:
    """Event, what it changed, the text so far, and the context."""
    record = moment.event.record
    chunk = f", chunk {moment.at.chunk} of {len(moment.event.chunks)} after it" if moment.at.chunk else ""
    console.print(Text(f"{moment.event.state.run_id} at {moment.at} of {positions}{chunk}", style="bold"))
    console.print(Text(f"{record.at:%Y-%m-%d %H:%M:%S.%f} UTC · {record.type} · {in_words(record)}"), soft_wrap=True)
    if not moment.at.chunk:
        console.print()
        print_changes(moment.event.changes, console)
    for text in moment.texts:
        if text.standing != "completed":
            _print_text(text, console)
    console.print()
    console.print(context_tree(moment.context))


def print_changes(changes: Iterable[Difference], console: Console) -> None:
    """One line a place: what it was, what it is."""
    for difference in changes:
        if difference.place[0] == "metadata":
            continue  # position and digest, which every event changes
        mark, style = MARKS[difference.kind]
        console.print(Text(f"{mark} {difference.path}: {_values(difference)}", style=style), soft_wrap=True)


def _values(difference: Difference) -> str:
    match difference.kind:
        case "added":
            return shown(difference.after)
        case "removed":
            return shown(difference.before)
        case "changed":
            return f"{shown(difference.before)} → {shown(difference.after)}"


def _print_text(text: ExecutionText, console: Console) -> None:
    standing = {"open": "so far", "superseded": "given up: no part of a result"}[text.standing]
    missing = f", {text.missing} more are no longer kept" if text.missing else ""
    console.print()
    console.print(Text(f"── {short(text.execution_id)}: {text.chunks} chunks {standing}{missing}", style="bold"))
    console.print(Text(text.text, style="dim" if text.standing == "superseded" else ""), soft_wrap=True)


def context_tree(context: dict[str, Any]) -> Tree:
    """The context as a tree; long values are cut, with a word about it."""
    tree = Tree(Text("context", style="bold"))
    _grow(tree, context)
    return tree


def _grow(tree: Tree, value: dict[str, Any] | list[Any]) -> None:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in members:
        if isinstance(inner, dict | list) and inner:
            _grow(tree.add(Text(str(key), style="cyan")), inner)
        else:
            tree.add(Text.assemble((f"{key}", "cyan"), ": ", shown(inner)))


def shown(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{text[:LONGEST_VALUE]}… ({len(text)} characters; --json has all)"
