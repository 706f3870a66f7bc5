"""Opening files below a folder without following a link, so that a path swapped after its check leads nowhere.

Every folder on the way is opened by its name within the one above; a link among them is an error of the system.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a FIFO that took the file's place would hold the thread until somebody writes to it.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotRegularError(OSError):
    """A folder, FIFO, socket or device where a file was expected."""


@contextmanager
def folder(root: Path, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder `parts` below `root`, made where missing with `create`. Raises OSError."""
    if create:
        root.mkdir(parents=True, exist_ok=True)
    opened = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=opened)
            inner = os.open(part, _FOLDER, dir_fd=opened)
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def open_file(root: Path, parts: tuple[str, ...]) -> BinaryIO:
    """The regular file `parts` below `root`, open for reading. Raises OSError, NotRegularError among them."""
    with folder(root, parts[:-1]) as above:
        handle = os.open(parts[-1], _READ, dir_fd=above)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotRegularError("it is not a regular file")
    return os.fdopen(handle, "rb")


@contextmanager
def replacing(root: Path, parts: tuple[str, ...]) -> Iterator[BinaryIO]:
    """A file that takes the place of `parts` below `root` when the block ends well. Raises OSError."""
    name = parts[-1]
    temporary = f".{name[:64]}.{secrets.token_hex(6)}"
    with folder(root, parts[:-1], create=True) as above:
        try:
            with os.fdopen(os.open(temporary, _NEW, 0o666, dir_fd=above), "wb") as file:
                _take_mode(file, name, above)
                yield file
            os.replace(temporary, name, src_dir_fd=above, dst_dir_fd=above)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=above)
            raise


def remove(root: Path, parts: tuple[str, ...]) -> None:
    """Remove the file `parts` below `root`. Raises OSError."""
    with folder(root, parts[:-1]) as above:
        os.unlink(parts[-1], dir_fd=above)


def _take_mode(file: BinaryIO, name: str, above: int) -> None:
    """A script stays executable when it is written anew."""
    with suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode):
            os.fchmod(file.fileno(), stat.S_IMODE(found.st_mode) & 0o777)
