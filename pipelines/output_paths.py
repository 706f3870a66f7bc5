"""Where `output_to_file` writes: below the output folder, never outside of it, never doubled."""

import re
from pathlib import PurePosixPath

_DRIVE = re.compile(r"[A-Za-z]:")
_MAX_PATH = 1024


class OutputPathRefused(ValueError):  # noqa: N818 - what happened, like every event
    """A file name that would leave the output folder."""


def resolve_output_path(output_dir: str, name: str) -> str:
    """The path of an output file, relative to the same base as `output_dir`, with forward slashes.

    A name that repeats the output folder (`./outputs/x` in `./outputs`) means the file within it.
    Symbolic links are for the writer to refuse: this looks at the text alone. Raises OutputPathRefused.
    """
    parts = _parts(name)
    folder = tuple(part for part in PurePosixPath(output_dir).parts if part != ".")
    if folder and parts[: len(folder)] == folder:
        parts = parts[len(folder) :]
    if not parts:
        raise OutputPathRefused(f"`{name}` names a folder, not a file")
    return str(PurePosixPath(*folder, *parts))


def _parts(name: str) -> tuple[str, ...]:
    if not name.strip() or len(name) > _MAX_PATH or "\0" in name:
        raise OutputPathRefused("a file name must have 1 to 1024 characters, none of them NUL")
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or _DRIVE.match(name) or name.startswith("~"):
        raise OutputPathRefused(f"`{name}` is absolute: output files stand below the output folder")
    if ".." in path.parts:
        raise OutputPathRefused(f"`{name}` leaves the output folder")
    if name.endswith(("/", "\\")):
        raise OutputPathRefused(f"`{name}` names a folder, not a file")
    return path.parts
