"""Which files a running step may touch: it writes below its workspace and output folders and reads few more.

A path is text of a pipeline or a model, so it is resolved link by link, compared with the allowed folders, and
opened in a way that a link put in its place afterwards is not followed.
"""

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self

from elexirion.agents.settings import Settings
from elexirion.agents.worker import folder_walk, open_below

MAX_PATH = 4096
# Settings files hold keys; what a model reads goes to its provider and into the log.
_SECRET_FILES = (".env",)


class WorkspaceRefused(ValueError):  # noqa: N818 - what happened, like every event
    """A path that this step may not use, or a file that could not be opened; says which and why."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one run, all absolute and free of links.

    Relative paths start at `start`; those that begin with the workspace's or the output folder's own name start at
    `base`, so that `./outputs/x` is never doubled. `file_limit` is the largest file to be read or written, in bytes.
    """

    base: Path
    start: Path
    workspace: Path
    output: Path
    read_roots: tuple[Path, ...]
    file_limit: int
    own_names: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any], settings: Settings) -> Self:
        """The folders that `config["workspace"]` names: `{base, workspace_dir, output_dir, read_roots}`.

        Without `trust_run_folders` the base is the worker's own folder, and only folders below it or below
        `file_roots` count: any client may write a command. Raises WorkspaceRefused.
        """
        said: Mapping[str, Any] = config.get("workspace") or {}
        own = Path.cwd().resolve()
        trusted = settings.trust_run_folders
        base = Path(said["base"]).resolve() if trusted and said.get("base") else own
        names = [str(said.get("workspace_dir") or "./workspace"), str(said.get("output_dir") or "./outputs")]
        workspace, output = (_folder_of_run(base, name, trusted=trusted) for name in names)
        file_roots = [root.resolve() for root in settings.file_roots]
        asked = [(base / root).resolve() for root in said.get("read_roots") or ()]
        roots = [root for root in asked if trusted or _is_below(root, [own, *file_roots])]
        return cls(
            base=base, start=base, workspace=workspace, output=output,
            read_roots=tuple(dict.fromkeys(roots + file_roots)), file_limit=settings.file_limit_bytes,
            own_names=tuple(parts for name in names if (parts := _parts(name))),
        )  # fmt: skip

    def at(self, cwd: str | None = None) -> Self:
        """The same folders with relative paths starting in `cwd` below the workspace, which is made where missing."""
        name = cwd or "."
        with _refusing(name):
            found = self._starting_at(self.workspace, _plain(name)).resolve()
            if not found.is_relative_to(self.workspace):
                raise WorkspaceRefused(f"the folder `{name}` is not below the workspace {self.shown(self.workspace)}")
            with open_below.folder(*_split(found, self.workspace), create=True):
                return replace(self, start=found)

    def readable(self, path: str | Path) -> Path:
        """The file or folder at `path`; raises WorkspaceRefused where it may not be read or is not there.

        A relative path is looked up in `start`, then in `base`, then in the other readable folders.
        """
        with _refusing(path):
            return self._found(path, self._reading())

    def writable(self, path: str | Path) -> Path:
        """Where a file `path` may be written, there already or not; raises WorkspaceRefused."""
        with _refusing(path):
            found = self._resolved(path)
            if _root_of(found, self._writing()) in (None, found):
                folders = " or ".join(self.shown(root) for root in self._writing())
                raise WorkspaceRefused(f"`{path}` may not be written: files are written below {folders}")
            if found.name in _SECRET_FILES:
                raise WorkspaceRefused(f"`{path}` may hold keys and is not written")
            # What is a link after all links were followed leads in a circle.
            if found.is_symlink() or (found.exists() and not found.is_file()):
                raise WorkspaceRefused(f"`{path}` is not a regular file")
            return found

    def open_read(self, path: str | Path) -> BinaryIO:
        """The file, open for reading; raises WorkspaceRefused, also where it is larger than `file_limit`."""
        found = self.readable(path)
        root = _root_of(found, self._reading())
        with _refusing(path):
            if root is None or found == root:
                raise WorkspaceRefused(f"`{path}` is a folder, not a file")
            return open_below.open_file(*_split(found, root))

    def read_bytes(self, path: str | Path) -> bytes:
        """All of a file; raises WorkspaceRefused."""
        with self.open_read(path) as file, _refusing(path):
            content = file.read(self.file_limit + 1)
        if len(content) > self.file_limit:
            raise self._too_large(path)
        return content

    @contextmanager
    def writing(self, path: str | Path) -> Iterator[BinaryIO]:
        """A file to fill; it takes its place when the block ends well. Folders are made. Raises WorkspaceRefused."""
        found = self.writable(path)
        root = _root_of(found, self._writing()) or self.workspace
        with _refusing(path), open_below.replacing(*_split(found, root)) as file:
            yield file

    def write_bytes(self, path: str | Path, content: bytes) -> Path:
        """Write a file whole or not at all, and give its place; raises WorkspaceRefused."""
        if len(content) > self.file_limit:
            raise self._too_large(path)
        with self.writing(path) as file:
            file.write(content)
        return self.writable(path)

    def remove(self, path: str | Path) -> None:
        """Remove a file below a folder that may be written; raises WorkspaceRefused."""
        found = self.writable(path)
        root = _root_of(found, self._writing()) or self.workspace
        with _refusing(path):
            open_below.remove(*_split(found, root))

    def walk(self, path: str | Path = ".", *, limit: int = folder_walk.MAX_ENTRIES) -> Iterator[Path]:
        """The files below the folder `path` in the order of their names, links to other places left out.

        Raises WorkspaceRefused once more than `limit` entries were looked at.
        """
        top = self.readable(path)
        root = _root_of(top, self._reading()) or top
        try:
            for found in folder_walk.files(*_split(top, root), limit=limit):
                if self._may_read(found):
                    yield found
        except folder_walk.TooManyEntries as error:
            raise WorkspaceRefused(f"`{path}` holds more than {limit} files and folders: name one below") from error
        except OSError as error:
            raise WorkspaceRefused(f"`{path}`: {error.strerror or error}") from error

    def entries(self, path: str | Path = ".") -> list[str]:
        """The names in the folder `path`, folders with a slash behind them; raises WorkspaceRefused."""
        found = self.readable(path)
        root = _root_of(found, self._reading()) or found
        with _refusing(path):
            return folder_walk.names(*_split(found, root))

    def glob(self, pattern: str, path: str | Path = ".", *, limit: int = folder_walk.MAX_ENTRIES) -> Iterator[Path]:
        """The files below `path` whose path matches `pattern`: `*`, `?`, `[…]`, `**` for folders, `{a,b}`."""
        try:
            matches = folder_walk.matcher(pattern)
        except ValueError as error:
            raise WorkspaceRefused(str(error)) from error
        top = self.readable(path)
        return (found for found in self.walk(top, limit=limit) if matches(found.relative_to(top).parts))

    def shown(self, path: Path) -> str:
        """How a path reads to people and models: relative to where it stands."""
        for root in (self.start, self.base, *self.read_roots):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return path.name

    def _reading(self) -> tuple[Path, ...]:
        return (self.workspace, self.output, *self.read_roots)

    def _writing(self) -> tuple[Path, ...]:
        return (self.workspace, self.output)

    def _found(self, path: str | Path, roots: tuple[Path, ...]) -> Path:
        candidates = [self._resolved(path, start) for start in (self.start, self.base, *self.read_roots)]
        within = [found for found in candidates if _root_of(found, roots)]
        if not within:
            raise WorkspaceRefused(f"`{path}` is outside the folders that this step may read")
        found = next((found for found in within if found.exists()), None)
        if found is None:
            raise WorkspaceRefused(f"there is no file or folder `{path}` that this step may read")
        self._check_kind(path, found)
        return found

    def _check_kind(self, path: str | Path, found: Path) -> None:
        status = found.stat()
        if found.name in _SECRET_FILES:
            raise WorkspaceRefused(f"`{path}` may hold keys and is not read")
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise WorkspaceRefused(f"`{path}` is not a regular file")
        if stat.S_ISREG(status.st_mode) and status.st_size > self.file_limit:
            raise self._too_large(path)

    def _may_read(self, found: Path) -> bool:
        """Whether a file met on a walk may be read; one that is merely too large is listed all the same."""
        if found.name in _SECRET_FILES:
            return False
        if not found.is_symlink():
            return True
        target = found.resolve()
        return target.is_file() and target.name not in _SECRET_FILES and _root_of(target, self._reading()) is not None

    def _resolved(self, path: str | Path, start: Path | None = None) -> Path:
        # An absolute Path is one that this workspace gave out; text with one is refused.
        if isinstance(path, Path) and path.is_absolute():
            return path.resolve()
        return self._starting_at(start or self.start, _plain(str(path))).resolve()

    def _starting_at(self, start: Path, path: PurePosixPath) -> Path:
        own = any(path.parts[: len(name)] == name for name in self.own_names)
        return (self.base if own else start).joinpath(*path.parts)

    def _too_large(self, path: str | Path) -> WorkspaceRefused:
        return WorkspaceRefused(f"`{path}` is larger than {self.file_limit} bytes")


def _folder_of_run(base: Path, name: str, *, trusted: bool) -> Path:
    found = (base / name).resolve()
    if trusted or (found != base and found.is_relative_to(base)):
        return found
    raise WorkspaceRefused(f"the folder `{name}` is not below the worker's own folder")


def _plain(path: str) -> PurePosixPath:
    if not path.strip() or len(path) > MAX_PATH or "\0" in path:
        raise WorkspaceRefused(f"a path has 1 to {MAX_PATH} characters, none of them NUL")
    plain = PurePosixPath(path)
    if plain.is_absolute():
        raise WorkspaceRefused(f"`{path}` is absolute: use a path relative to the workspace")
    return plain


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    return () if path.is_absolute() else path.parts


def _is_below(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _root_of(path: Path, roots: tuple[Path, ...]) -> Path | None:
    return next((root for root in roots if path.is_relative_to(root)), None)


def _split(path: Path, root: Path) -> tuple[Path, tuple[str, ...]]:
    return root, path.relative_to(root).parts


@contextmanager
def _refusing(path: str | Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        # resolve() says RuntimeError of a circle of links.
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise WorkspaceRefused(f"`{path}` could not be used: {said}") from error
