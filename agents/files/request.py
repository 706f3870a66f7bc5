"""A rendered `file_ops` step, with its options in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from elexirion.agents.steps.in_thread import Stop
from elexirion.agents.worker.workspace import Workspace
from elexirion.pipelines.steps.file_ops import FileEntry, FileRequest
from pydantic import ValidationError

# Bound of the operations that never hold a file in memory, in bytes.
STREAM_LIMIT = 16 * 1024 * 1024 * 1024
MAX_FILES = 1_000
DEFAULT_LISTED = 1_000
Given = TypeVar("Given")


class FileRefused(ValueError):  # noqa: N818 - what happened, like every event
    """An operation on files that is not possible; says which file and why."""


@dataclass(frozen=True, slots=True)
class Task:
    """One operation with the folders it may touch; `stop.check()` is called before each piece of work."""

    request: FileRequest
    workspace: Workspace
    stop: Stop

    @classmethod
    def of(cls, config: Mapping[str, Any], workspace: Workspace, stop: Stop) -> "Task":
        """Raises FileRefused for what the templates of the step made of it."""
        try:
            return cls(FileRequest.model_validate(config), workspace, stop)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise FileRefused(f"{place or 'the step'}: {first['msg'].removeprefix('Value error, ')}") from None

    def shown(self, path: Path) -> str:
        """How a path reads in results: from the folder of the run, so that prompts and other steps find it too."""
        if path.is_relative_to(self.workspace.base):
            return path.relative_to(self.workspace.base).as_posix()
        return self.workspace.shown(path)

    @property
    def large(self) -> Workspace:
        """The same folders for operations that read and write piece by piece."""
        return replace(self.workspace, file_limit=STREAM_LIMIT)

    @property
    def overwrites(self) -> bool:
        """Whether files that are there are replaced."""
        return _first(self.request.overwrite, self.request.options.overwrite) is not False

    @property
    def recursive(self) -> bool | None:
        """Whether folders are entered; None where the step does not say."""
        return _first(self.request.recursive, self.request.options.recursive)

    @property
    def with_hidden(self) -> bool:
        """Whether names that begin with a dot are listed."""
        return bool(_first(self.request.include_hidden, self.request.options.include_hidden))

    @property
    def most_listed(self) -> int:
        """Most files that a list gives."""
        return _first(self.request.limit, self.request.options.limit) or DEFAULT_LISTED

    @property
    def delimiter(self) -> str:
        """The character between the values of CSV; raises FileRefused."""
        given = _first(self.request.delimiter, self.request.options.csv_delimiter) or ","
        known = {"\\t": "\t", "tab": "\t"}.get(given, given)
        if len(known) != 1 or known in '"\r\n':
            raise FileRefused("`delimiter` is one character, no quote and no line break")
        return known

    @property
    def sources(self) -> tuple[str, ...]:
        """The texts that name files, without those of `files` and `pattern`."""
        return _several(self.request.source) or (_several(self.request.path) if not self.patterns else ())

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns below `path`."""
        return _several(self.request.pattern or self.request.options.pattern)

    @property
    def excluded(self) -> tuple[str, ...]:
        """The patterns of what is left out."""
        return _several(self.request.exclude)

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """`files`, each as an entry."""
        files = self.request.files
        if isinstance(files, str):
            raise FileRefused("`files` is a list")
        return tuple(FileEntry(path=entry) if isinstance(entry, str) else entry for entry in files or ())


def _first(own: Given | None, older: Given | None) -> Given | None:
    return older if own is None else own


def _several(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    match value:
        case None:
            return ()
        case str():
            return (value,)
        case _:
            return value
