"""stream_process: a file of any size changed or counted line by line."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from elexirion.agents.files.placed import Placed, destination_of, write_together
from elexirion.agents.files.request import FileRefused, Task
from elexirion.pipelines.near import did_you_mean
from elexirion.pipelines.regex import RegexRefused, compiled, is_linear
from elexirion.pipelines.steps.file_ops import Processor

MAX_LINE = 1024 * 1024

Change = Callable[[str, int], str | None]
"""The line, without its end, and its number, from 1, into the new one; None leaves it out."""


def process(task: Task) -> dict[str, Any]:
    """`{source, processor, lines, size, destination}`, or the counts for a processor that counts."""
    given = task.request.processor or "identity"
    processor = Processor(type=given) if isinstance(given, str) else given
    name = _SPELLINGS.get(processor.type, processor.type)
    source = task.large.readable(task.sources[0])
    if name in _COUNTS:
        return {"source": task.shown(source), "processor": name, **_counted(task, Placed(source, source))}
    if name not in _CHANGES:
        known = (*_CHANGES, *_COUNTS)
        hint = did_you_mean(name, known) or f"use one of {', '.join(known)}"
        raise FileRefused(f"unknown processor `{name}`: {hint}")
    # Without a destination the name says what was done; the source itself is never changed.
    destination = destination_of(task, task.request.destination or f"{source.name}.processed", source.name)
    if destination == source:
        raise FileRefused(f"`{task.shown(source)}` would be written over itself")
    return _changed(task, Placed(source, destination), name, _CHANGES[name](processor))


def _changed(task: Task, pair: Placed, name: str, change: Change) -> dict[str, Any]:
    done = {"lines": 0, "size": 0}

    def write(_: int, target: BinaryIO) -> None:
        for number, line, end in _lines(task, pair):
            found = change(line, number)
            if found is not None:
                done["lines"] += 1
                done["size"] += target.write((found + end).encode())

    write_together(task, [pair.destination], write)
    shown = task.shown
    return {"source": shown(pair.source), "processor": name, **done, "destination": shown(pair.destination)}


def _counted(task: Task, pair: Placed) -> dict[str, int]:
    lines = words = size = 0
    for _, line, end in _lines(task, pair):
        lines += 1
        words += len(line.split())
        size += len((line + end).encode())
    return {"lines": lines, "words": words, "size": size}


def _lines(task: Task, pair: Placed) -> Iterator[tuple[int, str, str]]:
    """Number, text and end of each line; raises FileRefused for one that is too long or no text."""
    number = 0
    with task.large.open_read(pair.source) as file:
        while raw := file.readline(MAX_LINE + 1):
            task.stop.check()
            number += 1
            if len(raw) > MAX_LINE:
                raise FileRefused(f"line {number} is longer than {MAX_LINE} bytes")
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                raise FileRefused(f"line {number} is no UTF-8 text") from None
            line = text.rstrip("\r\n")
            yield number, line, text[len(line) :]


def _plain(change: Callable[[str], str | None]) -> Callable[[Processor], Change]:
    return lambda _: lambda line, number: change(line)


def _matching(processor: Processor, *, kept: bool) -> Change:
    search = _pattern(processor).search
    return lambda line, number: line if bool(search(line)) is kept else None


def _replacing(processor: Processor) -> Change:
    substitute = _pattern(processor).sub
    return lambda line, number: substitute(lambda _: processor.replacement, line)


def _pattern(processor: Processor) -> Any:
    if processor.pattern is None:
        raise FileRefused(f"the processor `{processor.type}` needs a `pattern`")
    try:
        found = compiled(processor.pattern)
    except RegexRefused as refused:
        raise FileRefused(f"`pattern`: {refused}") from None
    if not is_linear(processor.pattern):
        raise FileRefused("`pattern` can match in too many ways to run over a whole file: simplify it")
    return found


def _head(processor: Processor) -> Change:
    if processor.count is None:
        raise FileRefused("the processor `head` needs a `count`")
    most = processor.count
    return lambda line, number: line if number <= most else None


def _json_line(line: str, number: int) -> str | None:
    if not line.strip():
        return None
    try:
        return json.dumps(json.loads(line), ensure_ascii=False)
    except (ValueError, RecursionError):
        raise FileRefused(f"line {number} is no JSON") from None


_SPELLINGS: Mapping[str, str] = {
    "upper": "uppercase", "upcase": "uppercase", "lower": "lowercase", "downcase": "lowercase", "strip": "trim",
    "copy": "identity", "grep": "filter_lines", "filter": "filter_lines", "count": "count_lines", "jsonl": "json_lines",
}  # fmt: skip
_CHANGES: Mapping[str, Callable[[Processor], Change]] = {
    "identity": _plain(lambda line: line),
    "uppercase": _plain(str.upper),
    "lowercase": _plain(str.lower),
    "trim": _plain(str.strip),
    "number_lines": lambda _: lambda line, number: f"{number}: {line}",
    "remove_empty_lines": _plain(lambda line: line if line.strip() else None),
    "filter_lines": lambda processor: _matching(processor, kept=True),
    "reject_lines": lambda processor: _matching(processor, kept=False),
    "replace": _replacing,
    "head": _head,
    "json_lines": lambda _: _json_line,
}
_COUNTS = ("count_lines", "count_words")
