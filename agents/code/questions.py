"""The answers to the questions of `codebase_query`, each a list in a fixed order."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from elexirion.agents.code.codebase import Codebase, CodeFile, CodeRefused
from elexirion.agents.code.links import Link, Links
from elexirion.agents.worker import folder_walk
from elexirion.pipelines.steps.codebase_query import (
    AnalyzeImpact,
    FindDependencies,
    FindDependents,
    FindFiles,
    FindFunctions,
    FindRelated,
)

MAX_FOUND = 10_000
MAX_DEPTH = 50
_OF_TEST = re.compile(r"^test_|_test$|_spec$|Tests?$")


class Questions:
    """Answers about one project; imports are read once for all of them."""

    def __init__(self, codebase: Codebase) -> None:
        self._codebase = codebase
        self._links = Links(codebase)

    def files(self, asked: FindFiles) -> list[str]:
        """The paths of the files that meet all criteria."""
        related = {found["file"] for found in self._related(asked.related_to)} if asked.related_to else None
        since = _time(asked.modified_since) if asked.modified_since else None
        found = (
            file.name
            for file in self._codebase.files.values()
            if _meets(file, asked)
            and (related is None or file.name in related)
            and (since is None or file.modified >= since)
        )
        return list(islice(found, asked.limit or MAX_FOUND))

    def functions(self, asked: FindFunctions) -> list[dict[str, Any]]:
        """The functions that meet all criteria, file by file and line by line."""
        patterns = (*_several(asked.in_file), *_several(asked.in_files))
        files = self._in(patterns) if patterns else self._codebase.code()
        found = (
            {
                "name": function.name, "file": file.name, "line": function.line, "within": function.within,
                "public": function.public, "annotations": list(function.annotations), "language": file.language,
            }
            for file in files
            if asked.include_tests or not file.is_test
            for function in self._codebase.outline(file).functions
            if _contains(function.name, asked.name)
            and (function.public or not asked.public_only)
            and _any_contains(function.annotations, asked.with_annotation or asked.with_decorator)
        )  # fmt: skip
        return list(islice(found, asked.limit or MAX_FOUND))

    def dependencies(self, asked: FindDependencies) -> list[dict[str, Any]]:
        """What the files import, and with `include_transitive` what these import in turn."""
        deepest = (asked.max_depth or MAX_DEPTH) if asked.include_transitive else 1
        waiting = [(file, 1) for file in self._named(asked.for_file)]
        seen = {file.name for file, _ in waiting}
        found: dict[tuple[str, str | None], dict[str, Any]] = {}
        for file, depth in waiting:
            for link in self._links.of(file):
                if _is_wanted(link, asked):
                    entry = _dependency(link, file, depth)
                    found.setdefault((link.name if link.target is None else "", link.target), entry)
                if link.target is not None and link.target not in seen and depth < deepest:
                    seen.add(link.target)
                    waiting.append((self._codebase.files[link.target], depth + 1))
        return list(found.values())[:MAX_FOUND]

    def dependents(self, asked: FindDependents) -> list[dict[str, Any]]:
        """The files that import the given ones."""
        deepest = (asked.max_depth or MAX_DEPTH) if asked.include_transitive else 1
        files = [*self._named(asked.of_file), *self._named(asked.for_file)]
        return [one for one in self._reached(files, deepest) if asked.include_tests or not one["test"]]

    def related(self, asked: FindRelated) -> list[dict[str, Any]]:
        """Tests, subjects, dependencies and dependents."""
        names = (*_several(asked.for_file), *_several(asked.to_file))
        merged: dict[str, set[str]] = {}
        for name in names:
            for one in self._related(name):
                merged.setdefault(one["file"], set()).update(one["relations"])
        return [
            {"file": name, "relations": sorted(merged[name])}
            for name in sorted(merged)
            if asked.include_tests or not self._codebase.files[name].is_test
        ]

    def impact(self, asked: AnalyzeImpact) -> list[dict[str, Any]]:
        """What a change may reach: files that import the changed ones, over several others too, and their tests."""
        files = [*self._named(asked.for_file), *self._named(asked.changed_files)]
        found = {one["file"]: one for one in self._reached(files, asked.max_depth or MAX_DEPTH)}
        changed = {file.name for file in files}
        for file in files:
            for test in self._tests_of(file):
                if test.name not in found and test.name not in changed:
                    found[test.name] = {"file": test.name, "distance": 1, "via": file.name, "test": True}
        kept = (one for one in found.values() if asked.include_tests or not one["test"])
        return sorted(kept, key=lambda one: (one["distance"], one["file"]))

    def context(self) -> dict[str, Any]:
        """The project in short."""
        files = list(self._codebase.files.values())
        languages: dict[str, int] = {}
        for file in files:
            if file.language is not None:
                languages[file.language] = languages.get(file.language, 0) + 1
        return {
            "project_type": _project_type({file.parts[0] for file in files if len(file.parts) == 1}, languages),
            "languages": dict(sorted(languages.items(), key=lambda pair: (-pair[1], pair[0]))),
            "files": len(files),
            "tests": sum(file.is_test for file in files),
            "main_files": [file.name for file in files if file.is_main][:100],
            "config_files": [file.name for file in files if file.is_config][:100],
        }

    def _related(self, name: str) -> list[dict[str, Any]]:
        file = self._codebase.file(name)
        relations: dict[str, set[str]] = {}
        for test in self._tests_of(file):
            relations.setdefault(test.name, set()).add("test")
        if file.is_test:
            for subject in self._subjects_of(file):
                relations.setdefault(subject.name, set()).add("subject")
        for link in self._links.of(file):
            if link.target is not None:
                relations.setdefault(link.target, set()).add("dependency")
        for dependent in self._links.dependents.get(file.name, ()):
            relations.setdefault(dependent, set()).add("dependent")
        relations.pop(file.name, None)
        return [{"file": name, "relations": sorted(relations[name])} for name in sorted(relations)]

    def _tests_of(self, file: CodeFile) -> list[CodeFile]:
        if file.is_test:
            return []
        return [test for test in self._codebase.code() if test.is_test and _subject(test) == file.stem]

    def _subjects_of(self, test: CodeFile) -> list[CodeFile]:
        return [file for file in self._codebase.code() if not file.is_test and file.stem == _subject(test)]

    def _reached(self, files: Iterable[CodeFile], deepest: int) -> list[dict[str, Any]]:
        waiting = [(file.name, 0) for file in files]
        seen = {name for name, _ in waiting}
        found: list[dict[str, Any]] = []
        for name, distance in waiting:
            for dependent in self._links.dependents.get(name, ()) if distance < deepest else ():
                if dependent in seen:
                    continue
                seen.add(dependent)
                waiting.append((dependent, distance + 1))
                test = self._codebase.files[dependent].is_test
                found.append({"file": dependent, "distance": distance + 1, "via": name, "test": test})
        return sorted(found, key=lambda one: (one["distance"], one["file"]))[:MAX_FOUND]

    def _named(self, names: Any) -> list[CodeFile]:
        return [self._codebase.file(name) for name in _several(names)]

    def _in(self, patterns: Iterable[str]) -> Iterator[CodeFile]:
        tests = []
        for pattern in patterns:
            tests.append(_matcher(pattern) if set("*?[{") & set(pattern) else self._codebase.file(pattern))
        for file in self._codebase.code():
            if any(test == file if isinstance(test, CodeFile) else test(file.parts) for test in tests):
                yield file


def _meets(file: CodeFile, asked: FindFiles) -> bool:
    smallest = asked.size_min if asked.min_size is None else asked.min_size
    largest = asked.size_max if asked.max_size is None else asked.max_size
    included = [_matcher(pattern) for pattern in _several(asked.pattern)]
    excluded = [_matcher(pattern) for pattern in _several(asked.exclude_patterns)]
    return (
        _is_of_type(file, asked.type)
        and (not included or any(matches(file.parts) for matches in included))
        and not any(matches(file.parts) for matches in excluded)
        and not (asked.exclude_tests and file.is_test)
        and asked.language in (None, file.language)
        and (asked.extension is None or file.path.suffix.lstrip(".") == asked.extension.lstrip("."))
        and _contains(file.name, asked.contains)
        and (smallest is None or file.size >= smallest)
        and (largest is None or file.size <= largest)
    )


def _is_of_type(file: CodeFile, kind: str | None) -> bool:
    match kind:
        case "source":
            return file.is_source
        case "test":
            return file.is_test
        case "config":
            return file.is_config
        case "main":
            return file.is_main
        case "documentation":
            return file.is_document
        case _:
            return True


def _matcher(pattern: str) -> Any:
    try:
        return folder_walk.matcher(pattern)
    except ValueError as error:
        raise CodeRefused(str(error)) from None


def _is_wanted(link: Link, asked: FindDependencies) -> bool:
    match link.kind:
        case "internal":
            return True
        case "standard":
            return asked.include_stdlib
        case "external":
            return asked.include_external


def _dependency(link: Link, file: CodeFile, depth: int) -> dict[str, Any]:
    return {
        "name": link.name, "file": link.target, "kind": link.kind, "line": link.line, "from": file.name, "depth": depth,
    }  # fmt: skip


def _subject(test: CodeFile) -> str:
    """The stem of the file that a test is about, by its own name."""
    return _OF_TEST.sub("", test.stem)


def _contains(text: str, wanted: str | None) -> bool:
    return wanted is None or wanted in text


def _any_contains(texts: Iterable[str], wanted: str | None) -> bool:
    return wanted is None or any(wanted in text for text in texts)


def _several(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _time(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CodeRefused("`modified_since` is a date such as 2025-01-31, or a date and time") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _project_type(names: set[str], languages: dict[str, int]) -> str | None:
    markers = {
        "mix.exs": "elixir", "Cargo.toml": "rust", "go.mod": "go", "pom.xml": "java", "build.gradle": "java",
        "tsconfig.json": "typescript", "package.json": "javascript", "pyproject.toml": "python", "setup.py": "python",
        "requirements.txt": "python",
    }  # fmt: skip
    by_name = next((kind for name, kind in markers.items() if name in names), None)
    return by_name or max(sorted(languages), key=lambda name: languages[name], default=None)
