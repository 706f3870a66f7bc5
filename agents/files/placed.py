"""Where files go, all of it checked before the first one is written."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elexirion.agents.files.chosen import Chosen, chosen, named
from elexirion.agents.files.request import FileRefused, Task
from elexirion.pipelines.steps.file_ops import FileEntry

# Files that take their places together; each is open until then.
TOGETHER = 50


@dataclass(frozen=True, slots=True)
class Placed:
    """A file and where it goes."""

    source: Path
    destination: Path


def plan(task: Task) -> list[Placed]:
    """Each file of the operation with its destination; raises FileRefused or WorkspaceRefused."""
    destination = task.request.destination
    if destination is not None:
        pairs = _placed(task, chosen(task), destination)
    else:
        pairs = [pair for entry in task.entries for pair in _of_entry(task, entry)]
    if not pairs:
        raise FileRefused("no file matches")
    _check(task, pairs)
    return pairs


def destination_of(task: Task, text: str, name: str) -> Path:
    """The file that a destination means for a file of that name; raises FileRefused or WorkspaceRefused."""
    path = task.large.writable(f"{text}/{name}") if is_folder(task, text) else task.large.writable(text)
    if not task.overwrites and path.exists():
        raise FileRefused(f"`{task.shown(path)}` is there already, and `overwrite` is false")
    return path


def is_folder(task: Task, text: str) -> bool:
    """Whether a destination is a folder: by its last character, or since it is one."""
    return text.endswith("/") or task.large.writable(f"{text}/name").parent.is_dir()


def write_together(task: Task, places: Sequence[Path], write: Callable[[int, BinaryIO], None]) -> None:
    """Fill all files by `write(index, file)`; none takes its place before all of its batch are filled."""
    for batch in _batches(range(len(places)), TOGETHER):
        with ExitStack() as stack:
            for index in batch:
                task.stop.check()
                write(index, stack.enter_context(task.large.writing(places[index])))
            task.stop.check()


def _of_entry(task: Task, entry: FileEntry) -> list[Placed]:
    source = entry.source or entry.path
    if source is None or entry.destination is None:
        raise FileRefused("a pair of files needs `source` and `destination`")
    return _placed(task, list(named(task, source, several=False)), entry.destination)


def _placed(task: Task, files: list[Chosen], destination: str) -> list[Placed]:
    if len(files) == 1 and files[0].alone and not is_folder(task, destination):
        return [Placed(files[0].path, destination_of(task, destination, files[0].kept.name))]
    folder = destination.rstrip("/") + "/"
    return [Placed(file.path, destination_of(task, folder, str(file.kept))) for file in files]


def _check(task: Task, pairs: Iterable[Placed]) -> None:
    taken: set[Path] = set()
    for pair in pairs:
        shown = task.shown(pair.destination)
        if pair.destination in taken:
            raise FileRefused(f"two files would become `{shown}`")
        if pair.destination == pair.source:
            raise FileRefused(f"`{shown}` would be written over itself")
        taken.add(pair.destination)


def _batches(numbers: range, size: int) -> Iterable[range]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))
