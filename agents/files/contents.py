"""What files hold: read, written, and converted from one format to another."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from elexirion.agents.files.chosen import Chosen, chosen
from elexirion.agents.files.placed import Placed, destination_of, plan, write_together
from elexirion.agents.files.request import FileRefused, Task
from elexirion.agents.formats.registry import FORMATS, FormatRefused, decoded, encoded, format_of

_BETWEEN = "_to_"


def read(task: Task) -> Any:
    """The text of a file, or its value with `format`; of several files a mapping from their paths."""
    form = _known(task.request.format or "text")
    files = chosen(task)
    if len(files) == 1 and files[0].alone:
        return _value(task, files[0], form)
    values, size = {}, 0
    for file in files:
        size += file.path.stat().st_size
        if size > task.workspace.file_limit:
            raise FileRefused(f"the files are larger than {task.workspace.file_limit} bytes together: read fewer")
        values[task.shown(file.path)] = _value(task, file, form)
    return values


def write(task: Task) -> dict[str, Any]:
    """`{path, size}`; the file is whole or not there."""
    text = task.request.path or task.request.destination or ""
    path = destination_of(task, text, "")
    content = _content(task, task.request.content, text)
    task.workspace.write_bytes(path, content)
    return {"path": task.shown(path), "size": len(content)}


@dataclass(frozen=True, slots=True)
class _Converted:
    pair: Placed
    before: str
    after: str
    content: bytes


def convert(task: Task) -> dict[str, Any]:
    """`{files, count}`; all files are converted before the first one is written."""
    found = [_converted(task, pair) for pair in plan(task)]

    def fill(index: int, target: BinaryIO) -> None:
        target.write(found[index].content)

    write_together(task, [one.pair.destination for one in found], fill)
    shown = task.shown
    files = [
        {
            "source": shown(one.pair.source), "destination": shown(one.pair.destination), "from": one.before,
            "to": one.after, "size": len(one.content),
        }
        for one in found
    ]  # fmt: skip
    return {"files": files, "count": len(files)}


def _value(task: Task, file: Chosen, form: str) -> Any:
    task.stop.check()
    try:
        return decoded(task.workspace.read_bytes(file.path), form, task.delimiter)
    except FormatRefused as error:
        raise FileRefused(f"`{task.shown(file.path)}`: {error}") from None


def _content(task: Task, value: Any, name: str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    form = _known(task.request.format or format_of(name) or "json")
    try:
        return encoded(value, form, task.delimiter).encode()
    except FormatRefused as error:
        raise FileRefused(f"`content`: {error}") from None


def _converted(task: Task, pair: Placed) -> _Converted:
    before, after = _formats(task, pair)
    name = task.shown(pair.source)
    value = _value(task, Chosen(pair.source, PurePosixPath(pair.source.name)), before)
    try:
        content = encoded(value, after, task.delimiter).encode()
    except FormatRefused as error:
        raise FileRefused(f"`{name}` as {after}: {error}") from None
    if len(content) > task.workspace.file_limit:
        raise FileRefused(f"`{name}` as {after} is larger than {task.workspace.file_limit} bytes")
    return _Converted(pair, before, after, content)


def _formats(task: Task, pair: Placed) -> tuple[str, str]:
    """The formats by `format`, else by the names of the files."""
    given = task.request.format or ""
    before, between, after = given.partition(_BETWEEN)
    if not between:
        before, after = "", given
    first, second = before or format_of(pair.source.name), after or format_of(pair.destination.name)
    if first is None or second is None:
        raise FileRefused("say the formats, such as `format: csv_to_json`: the names of the files do not tell them")
    return _known(first), _known(second)


def _known(form: str) -> str:
    name = {"yml": "yaml", "ndjson": "jsonl", "txt": "text"}.get(form, form)
    if name not in FORMATS:
        raise FileRefused(f"unknown format `{form}`: use {', '.join(FORMATS)}")
    return name
