"""The files of a project: which there are, of what kind, and what stands in the source files."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from elexirion.agents.code import python_source
from elexirion.agents.code.languages import LANGUAGES, language_of, outline_of
from elexirion.agents.code.outline import Outline
from elexirion.agents.steps.in_thread import Stop
from elexirion.agents.worker.workspace import Workspace, WorkspaceRefused

MAX_FILES = 20_000
# Bytes of one source file, and of all that one step parses.
MAX_SOURCE = 512 * 1024
MAX_PARSED = 64 * 1024 * 1024
# Made by tools or taken from others: not the project's own.
SKIPPED = frozenset(
    [
        ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".pytest_cache",
        ".ruff_cache", ".tox", ".nox", ".eggs", "_build", "deps", "target", "dist", "build", "vendor", ".gradle",
        ".idea", ".elixir_ls", ".next", "coverage",
    ]
)  # fmt: skip
_TEST_FOLDERS = frozenset(["test", "tests", "spec", "specs", "__tests__"])
_TEST_NAME = re.compile(r"^(?:test_.+|.+_test|.+_spec|.+\.test|.+\.spec|.+Tests?)$")
_CONFIG_SUFFIXES = frozenset([".yaml", ".yml", ".toml", ".json", ".ini", ".cfg", ".conf", ".properties", ".lock"])
_CONFIG_NAMES = frozenset(
    ["makefile", "dockerfile", "mix.exs", "setup.py", "conftest.py", "go.mod", "go.sum", "pom.xml", "build.gradle"]
)
_MAIN_STEMS = frozenset(["main", "__main__", "app", "application", "index", "cli", "server", "manage", "wsgi", "asgi"])
_DOCUMENTS = frozenset([".md", ".rst", ".adoc", ".txt"])


class CodeRefused(ValueError):  # noqa: N818 - what happened, like every event
    """A question about code that has no answer; says why."""


@dataclass(frozen=True, slots=True)
class CodeFile:
    """One file; `name` is the path by which other steps find it, `parts` those below the project's folder."""

    name: str
    path: Path
    parts: tuple[str, ...]
    size: int
    modified: float

    @property
    def language(self) -> str | None:
        return language_of(self.path.name)

    @property
    def stem(self) -> str:
        """The name without its endings: `user` of `user.test.ts`."""
        return self.path.name.split(".", 1)[0] or self.path.name

    @property
    def is_test(self) -> bool:
        inner = PurePosixPath(self.path.name).stem
        named = self.language is not None and bool(_TEST_NAME.match(inner))
        return named or (self.language is not None and bool(_TEST_FOLDERS & set(self.parts[:-1])))

    @property
    def is_config(self) -> bool:
        name = self.path.name.lower()
        return name in _CONFIG_NAMES or self.path.suffix.lower() in _CONFIG_SUFFIXES

    @property
    def is_source(self) -> bool:
        return self.language is not None and not self.is_test and not self.is_config

    @property
    def is_main(self) -> bool:
        return self.is_source and self.stem.lower() in _MAIN_STEMS

    @property
    def is_document(self) -> bool:
        return self.path.suffix.lower() in _DOCUMENTS


@dataclass(slots=True)
class Codebase:
    """The project below one folder; files are read when their outline is asked for, each once."""

    workspace: Workspace
    root: Path
    files: dict[str, CodeFile]
    stop: Stop
    _outlines: dict[str, Outline] = field(default_factory=dict)
    _parsed: int = 0

    @classmethod
    def below(cls, folder: str | None, workspace: Workspace, stop: Stop) -> "Codebase":
        """The project in a folder that may be read; raises WorkspaceRefused or CodeRefused."""
        root = _root(folder, workspace)
        if not root.is_dir():
            raise CodeRefused(f"`path` is a folder, and `{folder}` is a file")
        found = _files(root, workspace, stop)
        return cls(workspace, root, {file.name: file for file in sorted(found, key=lambda file: file.parts)}, stop)

    def file(self, name: str) -> CodeFile:
        """The file of that path, from the project's folder or the run's; raises CodeRefused."""
        parts = PurePosixPath(name).parts
        found = self.files.get(str(PurePosixPath(name))) or next(
            (file for file in self.files.values() if file.parts == parts), None
        )
        if found is None:
            raise CodeRefused(f"there is no file `{name}` in the project")
        return found

    def outline(self, file: CodeFile) -> Outline:
        """What the file defines and imports; nothing for a file that cannot be read or is too large."""
        if file.name not in self._outlines:
            self.stop.check()
            self._outlines[file.name] = self._read(file)
        return self._outlines[file.name]

    def code(self) -> list[CodeFile]:
        """The files of known languages, tests among them."""
        return [file for file in self.files.values() if file.language is not None]

    def _read(self, file: CodeFile) -> Outline:
        language = file.language
        if language is None or file.size > MAX_SOURCE:
            return Outline()
        self._parsed += file.size
        if self._parsed > MAX_PARSED:
            raise CodeRefused(f"more than {MAX_PARSED} bytes of code: name a folder below in `path`")
        try:
            text = self.workspace.read_bytes(file.path).decode(errors="replace")
        except WorkspaceRefused:
            return Outline()
        return python_source.outline_of(text) if language == "python" else outline_of(text, LANGUAGES[language])


def _root(folder: str | None, workspace: Workspace) -> Path:
    """The project's folder: one that is named is looked for in the workspace first, as `file_ops` does."""
    own = workspace.at()
    if folder is not None:
        return own.readable(folder)
    with suppress(WorkspaceRefused):
        return workspace.readable(".")
    return own.readable(".")


def _files(root: Path, workspace: Workspace, stop: Stop) -> list[CodeFile]:
    """The files without links; folders of tools and of others' code are not entered, however large they are."""
    found: list[CodeFile] = []
    for place, folders, names in os.walk(root):
        stop.check()
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names:
            path = Path(place, name)
            if path.is_symlink() or not path.is_file():
                continue
            status = path.stat()
            parts = path.relative_to(root).parts
            found.append(CodeFile(workspace.shown(path), path, parts, status.st_size, status.st_mtime))
        if len(found) > MAX_FILES:
            raise CodeRefused(f"more than {MAX_FILES} files: name a folder below in `path`")
    return found
