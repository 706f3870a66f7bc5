"""Files looked at and not changed: list and validate."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from elexirion.agents.files.chosen import Chosen, matching
from elexirion.agents.files.request import FileRefused, Task
from elexirion.agents.formats.registry import FormatRefused, decoded
from elexirion.agents.worker.workspace import WorkspaceRefused
from elexirion.pipelines.steps.file_ops import FileEntry

_NAMED_PROBLEMS = 3


def listed(task: Task) -> dict[str, Any]:
    """`{files, count, truncated}` in the order of names."""
    patterns = task.patterns or (("**" if task.recursive else "*"),)
    folder = task.request.path or task.request.source
    if isinstance(folder, tuple):
        raise FileRefused("list takes one `path`")
    found = dict.fromkeys(one.path for one in _visible(task, patterns, folder))
    ordered = sorted(found, key=lambda path: path.parts)
    files = [_described(task, path) for path in islice(ordered, task.most_listed)]
    return {"files": files, "count": len(files), "truncated": len(ordered) > len(files)}


def validate(task: Task) -> dict[str, Any]:
    """`{valid, count, files}`; raises FileRefused with the first problems unless the step wants the result."""
    checked = [_checked(task, entry) for entry in _entries(task)]
    wrong = [one for one in checked if not one["valid"]]
    if wrong and task.request.fail_on_invalid:
        said = "; ".join(f"`{one['path']}`: {', '.join(one['problems'])}" for one in wrong[:_NAMED_PROBLEMS])
        raise FileRefused(f"{len(wrong)} of {len(checked)} files are not as expected: {said}")
    return {"valid": not wrong, "count": len(checked), "files": checked}


def _visible(task: Task, patterns: tuple[str, ...], folder: str | None) -> Iterator[Chosen]:
    for pattern in patterns:
        deeper = task.recursive and "/" not in pattern
        for one in matching(task, f"**/{pattern}" if deeper else pattern, folder):
            task.stop.check()
            if task.with_hidden or not any(part.startswith(".") for part in one.kept.parts):
                yield one


def _described(task: Task, path: Path) -> dict[str, Any]:
    status = path.stat()
    return {
        "path": task.shown(path),
        "name": path.name,
        "size": status.st_size,
        "modified": datetime.fromtimestamp(int(status.st_mtime), UTC).isoformat().replace("+00:00", "Z"),
    }


def _entries(task: Task) -> Iterator[FileEntry]:
    form = task.request.format
    for text in task.sources:
        yield FileEntry(path=text, format=form)
    for pattern in task.patterns:
        for one in matching(task, pattern, task.request.path):
            yield FileEntry(path=task.shown(one.path), format=form)
    for entry in task.entries:
        if entry.pattern is None:
            yield entry
            continue
        for one in matching(task, entry.pattern, entry.path):
            yield entry.model_copy(update={"path": task.shown(one.path), "pattern": None})


def _checked(task: Task, entry: FileEntry) -> dict[str, Any]:
    task.stop.check()
    text = entry.path or entry.source or ""
    try:
        path = task.large.readable(text)
    except WorkspaceRefused as refused:
        problems = [str(refused)] if entry.must_exist else []
        return {"path": text, "valid": not problems, "exists": False, "size": None, "problems": problems}
    problems = [*_of_kind(entry, path), *_of_size(entry, path), *_of_content(task, entry, path)]
    size = None if path.is_dir() else path.stat().st_size
    return {"path": text, "valid": not problems, "exists": True, "size": size, "problems": problems}


def _of_kind(entry: FileEntry, path: Path) -> Iterator[str]:
    if entry.must_be_dir and not path.is_dir():
        yield "it is no folder"
    if entry.must_be_file and path.is_dir():
        yield "it is a folder"


def _of_size(entry: FileEntry, path: Path) -> Iterator[str]:
    if path.is_dir():
        return
    size = path.stat().st_size
    if entry.min_size is not None and size < entry.min_size:
        yield f"it has {size} bytes, fewer than {entry.min_size}"
    if entry.max_size is not None and size > entry.max_size:
        yield f"it has {size} bytes, more than {entry.max_size}"


def _of_content(task: Task, entry: FileEntry, path: Path) -> Iterator[str]:
    for name in entry.must_contain:
        if not path.is_dir() or Path(name).name != name or not (path / name).exists():
            yield f"it does not contain `{name}`"
    if entry.format is None or path.is_dir():
        return
    try:
        decoded(task.workspace.read_bytes(path), entry.format, task.delimiter)
    except (FormatRefused, WorkspaceRefused) as refused:
        yield str(refused)
