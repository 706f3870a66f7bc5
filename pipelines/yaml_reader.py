"""YAML or JSON text into plain values, with the position of every key.

PyYAML parses; its events are put together here, since its own composer knows no bound on depth or aliases,
accepts duplicate keys and resolves scalars by YAML 1.1.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from elexirion.pipelines.marks import Mark, Marks
from elexirion.pipelines.problems import KeyPath, PipelineInvalid, Problem, written
from elexirion.pipelines.scalars import ScalarRefused, resolve
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

MAX_BYTES = 256 * 1024
MAX_DEPTH = 50
# What aliases may add to the document, in characters and nodes together.
MAX_ALIASED = 1024 * 1024

_PREFIX = "tag:yaml.org,2002:"
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9a-f]{4})", re.IGNORECASE)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """A read document: plain JSON values, their positions, and the problems that did not stop the reading."""

    value: Any
    marks: Marks
    problems: tuple[Problem, ...]


def read(text: str, file: str) -> Document:
    """Read one YAML or JSON document; raises PipelineInvalid where nothing can be read at all."""
    text = text.removeprefix("\ufeff")
    _check_size(text, file)
    composer = _Composer(file, _events(_without_escapes(text), file))
    value = composer.document()
    return Document(value, Marks(composer.marks), tuple(composer.problems))


def _check_size(text: str, file: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise _stop(file, line, 1, "the text is not valid Unicode", None) from None
    if size > MAX_BYTES:
        raise _stop(
            file, 1, 1, f"the file has {size} bytes, more than {MAX_BYTES}", "move long texts into file segments"
        )


def _without_escapes(text: str) -> str:
    """JSON without escapes of printable characters, which make a key longer than the 1024 characters YAML accepts.

    Characters beyond 16 bits are two escapes in JSON, which YAML refuses: these become one.
    """
    if not text.lstrip().startswith("{") or "\\u" not in text:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _ESCAPES.sub(_unescaped, _SURROGATES.sub(_one_escape, text))


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[2], 16))
    is_plain = character.isprintable() and character not in '"\\'
    return match[1] + character if is_plain else match[0]


def _one_escape(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _events(text: str, file: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise _stop(file, line, column, f"not valid YAML: {what}", None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _stop(file, line, 1, f"not valid YAML: {error.reason}", None) from None
    except (ValueError, OverflowError) as error:
        raise _stop(file, 1, 1, f"not valid YAML: {error}", None) from None


def _stop(file: str, line: int, column: int, message: str, hint: str | None) -> PipelineInvalid:
    return PipelineInvalid([Problem("error", message, hint, file, line, column)])


@dataclass(frozen=True, slots=True)
class _Built:
    """A value with what it costs when an alias repeats it, and how deep it is."""

    value: Any
    cost: int
    height: int


@dataclass(slots=True)
class _Composer:
    """Events into values; one instance reads one document."""

    file: str
    events: Iterator[Any]
    marks: dict[KeyPath, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, _Built | None] = field(default_factory=dict)
    aliased: int = 0

    def document(self) -> Any:
        event = next(self.events)
        while isinstance(event, StreamStartEvent | DocumentStartEvent):
            event = next(self.events)
        if isinstance(event, StreamEndEvent):
            raise _stop(self.file, 1, 1, "the file is empty", "a pipeline begins with `workflow:`")
        built = self._node(event, ())
        for rest in self.events:
            if isinstance(rest, DocumentStartEvent):
                raise self._fatal(rest, "a second document begins here", "one file holds one pipeline")
            if not isinstance(rest, DocumentEndEvent | StreamEndEvent):
                raise self._fatal(rest, "unexpected content", None)
        return built.value

    def _node(self, event: Any, path: KeyPath) -> _Built:
        if len(path) > MAX_DEPTH:
            raise self._fatal(event, f"nested deeper than {MAX_DEPTH} levels", None)
        self._mark(event, path)
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        anchor = event.anchor
        if anchor is not None:
            self.anchors[anchor] = None
        built = self._own(event, path)
        if anchor is not None:
            self.anchors[anchor] = built
        return built

    def _own(self, event: Any, path: KeyPath) -> _Built:
        if isinstance(event, ScalarEvent):
            value = self._scalar(event, path)
            return _Built(value, 1 + len(event.value), 1)
        if isinstance(event, SequenceStartEvent):
            self._check_tag(event, "seq", path)
            return self._sequence(path)
        assert isinstance(event, MappingStartEvent)
        self._check_tag(event, "map", path)
        return self._mapping(path)

    def _alias(self, event: Any, path: KeyPath) -> _Built:
        built = self.anchors.get(event.anchor)
        if built is None:
            known = event.anchor in self.anchors
            what = "contains itself" if known else "is not defined above"
            raise self._fatal(event, f"the alias *{event.anchor} {what}", None)
        if len(path) + built.height > MAX_DEPTH:
            raise self._fatal(event, f"nested deeper than {MAX_DEPTH} levels", None)
        self.aliased += built.cost
        if self.aliased > MAX_ALIASED:
            raise self._fatal(event, "aliases expand the file beyond 1 MB", None)
        return built

    def _sequence(self, path: KeyPath) -> _Built:
        values: list[Any] = []
        cost, height = 1, 0
        while not isinstance(event := next(self.events), SequenceEndEvent):
            built = self._node(event, (*path, len(values)))
            values.append(built.value)
            cost, height = cost + built.cost, max(height, built.height)
        return _Built(values, cost, height + 1)

    def _mapping(self, path: KeyPath) -> _Built:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        cost, height = 1, 0
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self._key(event)
            here = (*path, key)
            if key in values:
                self._problem(event, f"the key `{key}` stands here twice", "remove one of them", here)
            is_merge = key == "<<" and event.implicit[0]
            built = self._entry(event, key, here, taken=key in values or is_merge)
            if is_merge:
                self._merge(event, built.value, merged)
            else:
                values.setdefault(key, built.value)
            cost, height = cost + 1 + len(key) + built.cost, max(height, built.height)
        return _Built({**merged, **values}, cost, height + 1)

    def _key(self, event: Any) -> str:
        if not isinstance(event, ScalarEvent):
            raise self._fatal(event, "a key must be text", None)
        # Numbers and booleans as keys keep their spelling: JSON knows only text.
        key: str = event.value
        if event.anchor is not None:
            self.anchors[event.anchor] = _Built(key, 1 + len(key), 1)
        return key

    def _entry(self, key_event: Any, key: str, path: KeyPath, *, taken: bool) -> _Built:
        value_event = next(self.events)
        built = self._node(value_event, (*path[:-1], f"{key}\0") if taken else path)
        if not taken:
            mark = key_event.start_mark
            content = self.marks[path].content_line
            self.marks[path] = Mark(mark.line + 1, mark.column + 1, content)
        return built

    def _merge(self, event: Any, value: Any, merged: dict[str, Any]) -> None:
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise self._fatal(event, "`<<` needs a mapping or a list of mappings", None)
            for key, inner in source.items():
                merged.setdefault(key, inner)

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        plain, _ = event.implicit
        tag = None if event.tag is None else event.tag.removeprefix(_PREFIX)
        try:
            if plain and tag in (None, "!"):
                return resolve(event.value)
            if tag in (None, "!", "str"):
                return event.value
            if tag in ("int", "float", "bool", "null"):
                return resolve(event.value)
        except ScalarRefused as error:
            self._problem(event, str(error), "quote it to keep it as text", path)
            return event.value
        self._problem(event, f"the tag `{event.tag}` is not accepted", "only plain YAML values are", path)
        return event.value

    def _check_tag(self, event: Any, own: str, path: KeyPath) -> None:
        if event.tag not in (None, "!", _PREFIX + own):
            self._problem(event, f"the tag `{event.tag}` is not accepted", "only plain YAML values are", path)

    def _mark(self, event: Any, path: KeyPath) -> None:
        mark = event.start_mark
        block = isinstance(event, ScalarEvent) and event.style in ("|", ">")
        self.marks[path] = Mark(mark.line + 1, mark.column + 1, mark.line + (2 if block else 1))

    def _problem(self, event: Any, message: str, hint: str | None, path: KeyPath) -> None:
        mark = event.start_mark
        self.problems.append(Problem("error", message, hint, self.file, mark.line + 1, mark.column + 1, written(path)))

    def _fatal(self, event: Any, message: str, hint: str | None) -> PipelineInvalid:
        mark = event.start_mark
        self.problems.append(Problem("error", message, hint, self.file, mark.line + 1, mark.column + 1))
        return PipelineInvalid(self.problems)
