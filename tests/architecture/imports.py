"""Which imports the rooms may hold, checked over a source tree without running it (docs/adr/0001-rooms.md)."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

# Each room with the rooms below it. Imports go down only.
BELOW: Final[dict[str, frozenset[str]]] = {
    "events": frozenset(),
    "pipelines": frozenset(),
    "projections": frozenset({"events", "pipelines"}),
    "agents": frozenset({"projections", "events", "pipelines"}),
    "client": frozenset({"agents", "projections", "events", "pipelines"}),
    "console": frozenset({"client", "agents", "projections", "events", "pipelines"}),
}

# Third parties that belong in few places alone, by the prefixes of the modules that may import them.
CONFINED: Final[dict[str, tuple[str, ...]]] = {
    "faust": ("elexirion.agents",),
    "mode": ("elexirion.agents",),
    "httpx": ("elexirion.agents.providers", "elexirion.agents.steps.http"),
    "httpx_sse": ("elexirion.agents.providers",),
}

# Decisions are functions of their arguments: neither they nor anything of ours that they import reaches these.
PURE: Final = (
    "elexirion.agents.decide",
    "elexirion.agents.decisions",
    "elexirion.agents.dispatch",
    "elexirion.agents.resilience",
)
IMPURE: Final = frozenset({"faust", "mode", "httpx", "httpx_sse", "asyncio", "aiokafka"})


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, absolute: `target` is `elexirion.events.run` for `from elexirion.events import run`."""

    module: str
    target: str
    path: Path
    line: int


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def violations(root: Path) -> list[Violation]:
    """Every import below `root`'s rooms that breaks a rule, in the order of files and lines."""
    texts = {path.relative_to(root): path.read_text(encoding="utf-8") for path in source_files(root)}
    imports = [found for path, text in texts.items() for found in _imports(path, text)]
    found = {violation for each in imports for violation in _broken_rules(each)}
    return sorted(found | set(_impurities(imports)))


def source_files(root: Path) -> list[Path]:
    return sorted(path for room in BELOW for path in (root / room).rglob("*.py"))


def _broken_rules(found: Import) -> Iterator[Violation]:
    first, *rest = found.target.split(".")
    room = found.module.split(".")[1]
    if first in BELOW:
        yield _violation(found, f"import elexirion.{found.target}: the plain name `{first}` belongs to others")
    if first == "elexirion" and not rest:
        yield _violation(found, "`elexirion` is a namespace without content; import one of its rooms")
    if first == "elexirion" and rest and rest[0] != room and rest[0] not in BELOW[room]:
        yield _violation(found, f"{room} imports {rest[0]}: imports go down only")
    if first in CONFINED and not any(_within(found.module, place) for place in CONFINED[first]):
        yield _violation(found, f"{first} is imported outside of {' and '.join(CONFINED[first])}")


def _impurities(imports: list[Import]) -> Iterator[Violation]:
    """What pure modules reach, directly or through others of ours."""
    of_module: dict[str, list[Import]] = {}
    for each in imports:
        of_module.setdefault(each.module, []).append(each)
    for start in sorted(module for module in of_module if any(_within(module, pure) for pure in PURE)):
        yield from _reached_from(start, of_module)


def _reached_from(start: str, of_module: dict[str, list[Import]]) -> Iterator[Violation]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for each in of_module.get(module, []):
            if each.target.split(".")[0] in IMPURE:
                yield _violation(each, f"{start} is pure and reaches {each.target.split('.')[0]} from here")
            waiting += _loaded_by(each.target)


def _loaded_by(target: str) -> list[str]:
    """Importing `elexirion.a.b` runs the packages above it as well."""
    parts = target.split(".")
    return [".".join(parts[:count]) for count in range(2, len(parts) + 1)] if parts[0] == "elexirion" else []


@cache
def _imports(path: Path, text: str) -> tuple[Import, ...]:
    """What the text imports; a tree is checked for each planted import, and only that one file is another each time."""
    module, package = _names(path)
    return tuple(
        Import(module, target, path, getattr(node, "lineno", 0))
        for node in ast.walk(ast.parse(text, filename=str(path)))
        for target in _targets(node, package)
    )


def _names(path: Path) -> tuple[str, list[str]]:
    """The module's full name, and the parts of the package that its relative imports start from."""
    parts = ["elexirion", *path.with_suffix("").parts]
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), parts[:-1]
    return ".".join(parts), parts[:-1]


def _targets(node: ast.AST, package: list[str]) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=name, names=names, level=level):
            start = package[: len(package) - level + 1] if level else []
            origin = ".".join([*start, *([name] if name else [])])
            return [f"{origin}.{alias.name}" if alias.name != "*" else origin for alias in names]
        case ast.Call(func=ast.Name(id="__import__" | "import_module"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
        case _:
            return []


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _violation(found: Import, message: str) -> Violation:
    return Violation(found.path, found.line, message)
