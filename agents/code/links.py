"""Which file imports which: names of modules resolved to files of the project."""

import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

from elexirion.agents.code.codebase import Codebase, CodeFile
from elexirion.agents.code.outline import Import
from elexirion.agents.worker.workspace import WorkspaceRefused

Kind = Literal["internal", "standard", "external"]
_SCRIPT_ENDS = (
    "", ".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".d.ts", "/index.ts", "/index.tsx", "/index.js", "/index.jsx",
)  # fmt: skip
_SOURCE_FOLDERS = ("src", "lib", "app", "python")
_GO_MODULE = re.compile(r"^module\s+(\S+)", re.MULTILINE)
_NODE_MODULES = frozenset(
    ["assert", "buffer", "child_process", "crypto", "events", "fs", "http", "https", "net", "os", "path", "process",
     "querystring", "readline", "stream", "timers", "tls", "url", "util", "vm", "worker_threads", "zlib"]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """An import of a file, and the file of the project that it means, if it means one."""

    name: str
    line: int
    kind: Kind
    target: str | None = None


class Links:
    """All imports of a project, resolved on demand."""

    def __init__(self, codebase: Codebase) -> None:
        self._codebase = codebase
        self._of: dict[str, tuple[Link, ...]] = {}

    def of(self, file: CodeFile) -> tuple[Link, ...]:
        """The imports of a file in the order of lines, each name once."""
        if file.name not in self._of:
            found: dict[tuple[str, str | None], Link] = {}
            for imported in self._codebase.outline(file).imports:
                for link in self._resolved(file, imported):
                    if link.target != file.name:
                        found.setdefault((link.name, link.target), link)
            self._of[file.name] = tuple(found.values())
        return self._of[file.name]

    @cached_property
    def dependents(self) -> dict[str, tuple[str, ...]]:
        """The files that import each file, in order."""
        found: dict[str, set[str]] = {}
        for file in self._codebase.code():
            for link in self.of(file):
                if link.target is not None:
                    found.setdefault(link.target, set()).add(file.name)
        return {name: tuple(sorted(files)) for name, files in found.items()}

    def _resolved(self, file: CodeFile, imported: Import) -> Iterator[Link]:
        match file.language:
            case "python":
                yield from self._python(file, imported)
            case "javascript" | "typescript":
                yield self._script(file, imported)
            case "go":
                yield from self._go(imported)
            case "elixir":
                yield from self._elixir(imported)
            case "rust":
                yield from self._rust(file, imported)
            case _:
                yield self._java(imported)

    # -- Python

    def _python(self, file: CodeFile, imported: Import) -> Iterator[Link]:
        base = _python_base(file, imported)
        named = "." * imported.level + imported.name
        modules = [self._python_module(file, f"{base}.{part}".strip("."), imported) for part in imported.parts]
        for part, target in zip(imported.parts, modules, strict=True):
            if target is not None:
                yield Link(f"{named}.{part}" if imported.name else named + part, imported.line, "internal", target)
        target = self._python_module(file, base, imported) if base else None
        if target is not None:
            yield Link(named, imported.line, "internal", target)
        elif not any(modules) and not imported.level:
            standard = imported.name.split(".")[0] in sys.stdlib_module_names
            yield Link(named, imported.line, "standard" if standard else "external")

    def _python_module(self, file: CodeFile, module: str, imported: Import) -> str | None:
        if imported.level:
            return self._by_place.get(module)
        beside = ".".join([*file.parts[:-1], *module.split(".")])
        known = self._python_modules
        in_packages = known.get(module)
        if in_packages is not None or module.split(".")[0] in sys.stdlib_module_names:
            return in_packages
        return self._by_place.get(beside)

    @cached_property
    def _by_place(self) -> dict[str, str]:
        """Python files by their dotted place below the project's folder."""
        return {_dotted(file.parts): file.name for file in self._python_files}

    @cached_property
    def _python_modules(self) -> dict[str, str]:
        """Python files by every name under which they can be imported, the outermost place first."""
        packages = {file.parts[:-1] for file in self._python_files if file.path.name == "__init__.py"}
        found: dict[str, str] = {}
        for start in range(max((len(file.parts) for file in self._python_files), default=0)):
            for file in self._python_files:
                if start < len(file.parts) and _begins_at(file.parts, start, packages):
                    found.setdefault(_dotted(file.parts[start:]), file.name)
        return found

    @cached_property
    def _python_files(self) -> list[CodeFile]:
        return [file for file in self._codebase.code() if file.language == "python"]

    # -- the others

    def _script(self, file: CodeFile, imported: Import) -> Link:
        name = imported.name
        if not name.startswith("."):
            standard = name.startswith("node:") or name.split("/")[0] in _NODE_MODULES
            return Link(name, imported.line, "standard" if standard else "external")
        place = (
            posixpath.normpath(posixpath.join(*file.parts[:-1], name)) if file.parts[:-1] else posixpath.normpath(name)
        )
        # TypeScript names the file that its compiler will write.
        bare = re.sub(r"\.[cm]?js$", "", place)
        ends = [place + end for end in _SCRIPT_ENDS] + [bare + end for end in _SCRIPT_ENDS[1:]]
        return self._found(name, imported.line, ends)

    def _go(self, imported: Import) -> Iterator[Link]:
        module = self._go_module
        if module is None or not (imported.name == module or imported.name.startswith(module + "/")):
            standard = "." not in imported.name.split("/")[0]
            yield Link(imported.name, imported.line, "standard" if standard else "external")
            return
        folder = PurePosixPath(imported.name[len(module) :].strip("/")).parts
        files = [f for f in self._codebase.code() if f.language == "go" and f.parts[:-1] == folder and not f.is_test]
        for file in files:
            yield Link(imported.name, imported.line, "internal", file.name)

    def _elixir(self, imported: Import) -> Iterator[Link]:
        names = [f"{imported.name}.{part}" for part in imported.parts] or [imported.name]
        for name in names:
            target = self._elixir_modules.get(name)
            yield Link(name, imported.line, "internal" if target else "external", target)

    def _rust(self, file: CodeFile, imported: Import) -> Iterator[Link]:
        here = list(file.parts[:-1])
        own = here if file.stem in ("mod", "lib", "main") else [*here, file.stem]
        if imported.name.startswith("mod "):
            yield self._rust_module([*own, imported.name.split()[1]], imported)
            return
        first, *rest = imported.name.split("::")
        starts = {"crate": _crate(here), "self": own, "super": own[:-1]}
        if first not in starts:
            yield Link(imported.name, imported.line, "standard" if first in ("std", "core", "alloc") else "external")
            return
        for part in imported.parts or ("",):
            yield self._rust_module([*starts[first], *rest, *part.split("::")[:1]], imported)

    def _rust_module(self, parts: list[str], imported: Import) -> Link:
        """The longest part of the path that is a file: what follows are names within it."""
        ends = []
        parts = [part for part in parts if part]
        for length in range(len(parts), 0, -1):
            place = "/".join(parts[:length])
            ends += [f"{place}.rs", f"{place}/mod.rs"]
        return self._found(imported.name, imported.line, ends)

    def _java(self, imported: Import) -> Link:
        place = imported.name.replace(".", "/")
        outer = posixpath.dirname(place)
        for wanted in (f"{place}.java", f"{outer}.java"):
            found = self._by_end.get(PurePosixPath(wanted).name, [])
            for file in found:
                if "/".join(file.parts) == wanted or "/".join(file.parts).endswith(f"/{wanted}"):
                    return Link(imported.name, imported.line, "internal", file.name)
        standard = imported.name.split(".")[0] in ("java", "javax", "jdk")
        return Link(imported.name, imported.line, "standard" if standard else "external")

    def _found(self, name: str, line: int, places: list[str]) -> Link:
        target = next((self._places[place] for place in places if place in self._places), None)
        return Link(name, line, "internal" if target else "external", target)

    @cached_property
    def _places(self) -> dict[str, str]:
        return {"/".join(file.parts): file.name for file in self._codebase.code()}

    @cached_property
    def _by_end(self) -> dict[str, list[CodeFile]]:
        found: dict[str, list[CodeFile]] = {}
        for file in self._codebase.code():
            found.setdefault(file.path.name, []).append(file)
        return found

    @cached_property
    def _elixir_modules(self) -> dict[str, str]:
        files = [file for file in self._codebase.code() if file.language == "elixir"]
        return {module: file.name for file in reversed(files) for module in self._codebase.outline(file).modules}

    @cached_property
    def _go_module(self) -> str | None:
        try:
            text = self._codebase.workspace.read_bytes(self._codebase.root / "go.mod").decode(errors="replace")
        except WorkspaceRefused:
            return None
        found = _GO_MODULE.search(text)
        return found[1] if found else None


def _python_base(file: CodeFile, imported: Import) -> str:
    if not imported.level:
        return imported.name
    folder = file.parts[: len(file.parts) - imported.level]
    return ".".join([*folder, *imported.name.split(".")]).strip(".")


def _dotted(parts: tuple[str, ...]) -> str:
    last = PurePosixPath(parts[-1]).stem
    return ".".join(parts[:-1] if last == "__init__" and len(parts) > 1 else [*parts[:-1], last])


def _begins_at(parts: tuple[str, ...], start: int, packages: set[tuple[str, ...]]) -> bool:
    """Whether Python may be told to look for modules in the folder before `start`."""
    if start == 0:
        return True
    return parts[start - 1] in _SOURCE_FOLDERS or (parts[:start] not in packages and parts[: start + 1] in packages)


def _crate(folder: list[str]) -> list[str]:
    """The folder of a crate: up to the last `src`."""
    return folder[: len(folder) - folder[::-1].index("src")] if "src" in folder else []
