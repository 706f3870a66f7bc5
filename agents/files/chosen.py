"""Which files an operation is about: by their paths, by folders, by patterns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from elexirion.agents.files.request import MAX_FILES, FileRefused, Task
from elexirion.agents.worker import folder_walk

_MAGIC = frozenset("*?[{")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file, and the path that it keeps where several files go to one folder.

    `alone`: it was named by itself, so there cannot be more of them, whatever the folders hold.
    """

    path: Path
    kept: PurePosixPath
    alone: bool = False


def chosen(task: Task) -> list[Chosen]:
    """The files that `source`, `path`, `pattern` and `files` name, each once; raises FileRefused for too many."""
    several = isinstance(task.request.source, tuple) or task.request.files is not None
    found: dict[Path, Chosen] = {}
    for one in _all(task, several):
        task.stop.check()
        found.setdefault(one.path, one)
        if len(found) > MAX_FILES:
            raise FileRefused(f"more than {MAX_FILES} files at once: choose fewer")
    return list(found.values())


def matching(task: Task, pattern: str, folder: str | None = None) -> Iterator[Chosen]:
    """The files that match a pattern and are not excluded; the folder is what stands before its first `*`."""
    before, rest = _split(pattern)
    start = "/".join(part for part in (folder, before) if part) or "."
    top = task.large.readable(start)
    left_out = [folder_walk.matcher(form) for form in task.excluded]
    for path in task.large.glob(rest, top):
        parts = path.relative_to(top).parts
        if not any(matches(parts) for matches in left_out):
            yield Chosen(path, PurePosixPath(*parts))


def named(task: Task, text: str, *, several: bool) -> Iterator[Chosen]:
    """The file of that path, or all files of the folder, or those that match where it is a pattern."""
    if _MAGIC & set(text):
        yield from matching(task, text)
        return
    path = task.large.readable(text)
    if not path.is_dir():
        yield Chosen(path, PurePosixPath(path.name), alone=not several)
        return
    for one in matching(task, "**", text):
        yield Chosen(one.path, path.name / one.kept) if several else one


def _all(task: Task, several: bool) -> Iterator[Chosen]:
    for text in task.sources:
        yield from named(task, text, several=several)
    for pattern in task.patterns:
        yield from matching(task, pattern, task.request.path)
    for entry in task.entries:
        named_by = entry.path or entry.source
        if entry.pattern is not None:
            yield from matching(task, entry.pattern, named_by)
        elif named_by is not None:
            yield from named(task, named_by, several=several)


def _split(pattern: str) -> tuple[str, str]:
    """The folders without a `*` at the beginning of a pattern, and the rest of it."""
    parts = PurePosixPath(pattern).parts
    plain = 0
    while plain < len(parts) - 1 and not _MAGIC & set(parts[plain]):
        plain += 1
    return "/".join(parts[:plain]), "/".join(parts[plain:])
