"""Files copied, moved and removed."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from elexirion.agents.files.chosen import matching
from elexirion.agents.files.placed import Placed, destination_of, plan, write_together
from elexirion.agents.files.request import FileRefused, Task

_PIECE = 1024 * 1024


def copy(task: Task) -> dict[str, Any]:
    """`{files, count}`; every file is whole, and small sets appear together."""
    return _copied(task, plan(task))


def move(task: Task) -> dict[str, Any]:
    """`{files, count}`; sources go when all files are in their new places."""
    pairs = plan(task)
    for pair in pairs:
        task.large.writable(pair.source)
    result = _copied(task, pairs)
    for pair in pairs:
        task.large.remove(pair.source)
    for text in task.sources:
        _remove_empty_folders(task, text)
    return result


def stream_copy(task: Task) -> dict[str, Any]:
    """`{source, destination, size}` of one file of any size."""
    source, destination = task.sources[0], task.request.destination or ""
    path = task.large.readable(source)
    pair = Placed(path, destination_of(task, destination, path.name))
    if pair.source == pair.destination:
        raise FileRefused(f"`{source}` would be written over itself")
    files: list[dict[str, Any]] = _copied(task, [pair])["files"]
    return files[0]


def delete(task: Task) -> dict[str, Any]:
    """`{deleted, missing, count}`; folders only with `recursive`."""
    files: dict[Path, str] = {}
    missing: list[str] = []
    texts = [*task.sources, *(entry.path or entry.source or "" for entry in task.entries if entry.pattern is None)]
    patterns = [(pattern, task.request.path) for pattern in task.patterns]
    patterns += [(entry.pattern, entry.path) for entry in task.entries if entry.pattern is not None]
    for pattern, folder in patterns:
        files |= {one.path: task.shown(one.path) for one in matching(task, pattern, folder)}
    for text in texts:
        found = _below(task, text)
        files |= {path: task.shown(path) for path in found}
        if not found and not _is_folder(task, text):
            missing.append(text)
    for path in files:
        task.large.writable(path)
    for path in files:
        task.stop.check()
        task.large.remove(path)
    for text in texts:
        _remove_empty_folders(task, text)
    return {"deleted": sorted(files.values()), "missing": missing, "count": len(files)}


def _below(task: Task, text: str) -> list[Path]:
    if _is_folder(task, text):
        if not task.recursive:
            raise FileRefused(f"`{text}` is a folder: say `recursive: true` to delete it")
        return list(task.large.walk(_folder(task, text)))
    path = task.large.writable(text)
    return [path] if path.exists() else []


def _copied(task: Task, pairs: list[Placed]) -> dict[str, Any]:
    sizes = [0] * len(pairs)

    def write(index: int, target: BinaryIO) -> None:
        with task.large.open_read(pairs[index].source) as source:
            while piece := source.read(_PIECE):
                task.stop.check()
                target.write(piece)
                sizes[index] += len(piece)

    write_together(task, [pair.destination for pair in pairs], write)
    shown = task.shown
    files = [
        {"source": shown(pair.source), "destination": shown(pair.destination), "size": size}
        for pair, size in zip(pairs, sizes, strict=True)
    ]
    return {"files": files, "count": len(files)}


def _folder(task: Task, text: str) -> Path:
    return task.large.writable(f"{text}/name").parent


def _is_folder(task: Task, text: str) -> bool:
    return _folder(task, text).is_dir()


def _remove_empty_folders(task: Task, text: str) -> None:
    """What is left of a folder whose files are gone; the folders of the run themselves stay."""
    with suppress(ValueError):
        top = _folder(task, text)
        for place, _, _ in os.walk(top, topdown=False):
            if Path(place) not in (task.workspace.workspace, task.workspace.output):
                with suppress(OSError):
                    Path(place).rmdir()
