"""Languages that are read line by line: how their imports and functions look.

Patterns see single lines of bounded length, so that none of them can take long.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from elexirion.agents.code.outline import Function, Import, Outline

MAX_LINE = 500
_ANNOTATION = re.compile(r"\s*(@[A-Za-z_][\w.]*[^\n]*|#!?\[[^\n]*\])\s*$")
_COMMENT = re.compile(r"\s*(?://|/\*|\*|#(?!!?\[))")
_NO_NAMES = frozenset(["if", "for", "while", "switch", "catch", "return", "function", "constructor", "else", "new"])


@dataclass(frozen=True, slots=True)
class Lines:
    """How one language looks: `functions` have a group `name`; `is_public(line, name)`."""

    imports: tuple[re.Pattern[str], ...]
    functions: tuple[re.Pattern[str], ...]
    is_public: Callable[[str, str], bool]
    modules: re.Pattern[str] | None = None


_SCRIPT = Lines(
    imports=(
        re.compile(r"""\bfrom\s*['"](?P<name>[^'"]+)['"]"""),
        re.compile(r"""^\s*import\s*['"](?P<name>[^'"]+)['"]"""),
        re.compile(r"""\b(?:require|import)\s*\(\s*['"](?P<name>[^'"]+)['"]"""),
    ),
    functions=(
        re.compile(r"^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*(?P<name>[\w$]+)"),
        re.compile(
            r"^\s*(?:export\s+)?(?:const|let|var)\s+(?P<name>[\w$]+)[^=\n]*=\s*(?:async\s*)?(?:function\b|\(|[\w$]+\s*=>)"
        ),
        re.compile(
            r"^\s+(?:(?:public|private|protected|static|async|get|set|override)\s+)*(?P<name>[#\w$]+)\s*\([^\n]*\{\s*$"
        ),
    ),
    is_public=lambda line, name: (
        bool(re.match(r"\s*export\b", line))
        or (
            line[:1].isspace()
            and not re.match(r"\s*(?:private|protected|const|let|var|function|async function|#|_)", line)
        )
    ),
)
LANGUAGES: Mapping[str, Lines] = {
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "go": Lines(
        imports=(re.compile(r'^\s*(?:import\s+)?(?:[\w.]+\s+)?"(?P<name>[^"\s]+)"\s*(?://[^\n]*)?$'),),
        functions=(re.compile(r"^func\s+(?:\([^)]*\)\s*)?(?P<name>\w+)"),),
        is_public=lambda line, name: name[:1].isupper(),
    ),
    "elixir": Lines(
        imports=(re.compile(r"^\s*(?:alias|import|use|require)\s+(?P<name>[A-Z][\w.]*?)(?:\.\{(?P<parts>[^}]*)\})?(?![\w.])"),),
        functions=(re.compile(r"^\s*(?:def|defp|defmacro|defmacrop)\s+(?P<name>[a-z_]\w*[?!]?)"),),
        is_public=lambda line, name: not re.match(r"\s*(?:defp|defmacrop)\b", line),
        modules=re.compile(r"^\s*defmodule\s+(?P<name>[A-Z][\w.]*)"),
    ),
    "rust": Lines(
        imports=(
            re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+(?P<name>\w+(?:::\w+)*)(?:::\{(?P<parts>[^}]*)\})?"),
            re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?P<name>mod\s+\w+)\s*;"),
        ),
        functions=(re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:(?:default|const|async|unsafe)\s+)*fn\s+(?P<name>\w+)"),),
        is_public=lambda line, name: bool(re.match(r"\s*pub\b", line)),
    ),
    "java": Lines(
        imports=(re.compile(r"^\s*import\s+(?:static\s+)?(?P<name>\w+(?:\.\w+)*)"),),
        functions=(re.compile(r"^\s*(?:public|protected|private)\s[^=;(\n]*?\b(?P<name>\w+)\s*\("),),
        is_public=lambda line, name: bool(re.match(r"\s*public\b", line)),
    ),
}  # fmt: skip
_SUFFIXES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".jsx": "javascript", ".mjs": "javascript",
    ".cjs": "javascript", ".ts": "typescript", ".tsx": "typescript", ".go": "go", ".ex": "elixir", ".exs": "elixir",
    ".rs": "rust", ".java": "java",
}  # fmt: skip


def language_of(path: str) -> str | None:
    """The language by the end of a file's name, or None."""
    return _SUFFIXES.get(PurePosixPath(path).suffix.lower())


def outline_of(text: str, lines: Lines) -> Outline:
    """Functions, imports and modules in the order of lines."""
    functions: list[Function] = []
    imports: list[Import] = []
    modules: list[str] = []
    annotations: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line[:MAX_LINE]
        if annotation := _ANNOTATION.match(line):
            annotations.append(annotation[1].strip())
            continue
        if not line.strip() or _COMMENT.match(line):
            continue
        imports += _imports(line, number, lines)
        if lines.modules and (module := lines.modules.match(line)):
            modules.append(module["name"])
        if name := _name(line, lines):
            within = modules[-1] if modules else None
            functions.append(Function(name, number, lines.is_public(line, name), within, tuple(annotations)))
        annotations = []
    return Outline(tuple(functions), tuple(imports), tuple(modules))


def _name(line: str, lines: Lines) -> str | None:
    for pattern in lines.functions:
        found = pattern.match(line)
        if found and found["name"] not in _NO_NAMES:
            return found["name"]
    return None


def _imports(line: str, number: int, lines: Lines) -> list[Import]:
    found = []
    for pattern in lines.imports:
        for match in pattern.finditer(line):
            parts = match.groupdict().get("parts") or ""
            names = tuple(part.strip() for part in parts.split(",") if part.strip())
            found.append(Import(match["name"], number, names))
    return found
