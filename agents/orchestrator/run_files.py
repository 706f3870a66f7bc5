"""Files that prompts may read, and where outputs go: below allowed folders, links resolved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from elexirion.agents.settings import Settings
from elexirion.events.commands import RunSource
from elexirion.pipelines.schema import Pipeline

MAX_FILE_BYTES = 10 * 1024 * 1024


def reader(settings: Settings, source: RunSource, workspace: str) -> Callable[[str], bytes]:
    """Reads a prompt file; raises ValueError naming the allowed folders where a path leaves them.

    A pipeline's own `workspace_dir` opens a folder only where run folders are trusted: any client may write one.
    """

    def read(path: str) -> bytes:
        folders = bases(settings, source)
        own = (folders[0] / workspace,) if settings.trust_run_folders else ()
        roots = [folder.resolve() for folder in (*folders, *settings.file_roots, *own)]
        found = _find(path, folders)
        if not any(found.is_relative_to(root) for root in roots):
            allowed = ", ".join(str(root) for root in roots)
            raise ValueError(f"it is outside the allowed folders ({allowed}); add one with ELEXIRION_FILE_ROOTS")
        if found.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"it is larger than {MAX_FILE_BYTES // 1024 // 1024} MB")
        return found.read_bytes()

    return read


def finder(settings: Settings, source: RunSource) -> Callable[[str], Path]:
    """Finds the file that a `reader` reads for a path."""
    return lambda path: _find(path, bases(settings, source))


def bases(settings: Settings, source: RunSource) -> list[Path]:
    """Folders in which relative paths are looked up, first found first used.

    The folders a StartRun names count only where the settings trust them: any client may write commands.
    """
    named = (source.cwd, source.folder) if settings.trust_run_folders else ()
    return [*(Path(folder) for folder in named if folder), Path.cwd()]


def output_path(settings: Settings, source: RunSource, path: str) -> str:
    """The path a worker writes: absolute below the run's own folder where that is trusted, else relative."""
    if settings.trust_run_folders and source.cwd:
        return str(Path(source.cwd) / path)
    return path


def _find(path: str, folders: list[Path]) -> Path:
    candidates = [(folder / path).resolve() for folder in folders]
    return next((candidate for candidate in candidates if candidate.exists()), candidates[0])


def workspace_of(source: RunSource, pipeline: Pipeline) -> dict[str, Any]:
    """The folders that a worker opens to a step: where the run was started, its own two, and what it may read."""
    roots = [*(folder for folder in (source.folder, source.cwd) if folder), "."]
    return {
        "base": source.cwd or source.folder, "workspace_dir": pipeline.workspace_dir,
        "output_dir": pipeline.defaults.output_dir or pipeline.output_dir, "read_roots": list(dict.fromkeys(roots)),
    }  # fmt: skip
