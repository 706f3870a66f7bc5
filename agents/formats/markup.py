"""XML: elements as mappings, attributes as `@name`, text beside others as `#text`, repeated elements as lists.

Documents with a DOCTYPE are refused: entities can read files and grow without bound.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder, tostring
from xml.parsers import expat

from elexirion.agents.formats.refusal import FormatRefused

MAX_DEPTH = 100
_ROOT, _ROW = "root", "item"
_ATTRIBUTE, _TEXT = "@", "#text"
_NOT_IN_NAMES = re.compile(r"[^\w.-]")
_NO_START = re.compile(r"[^A-Za-z_]")
_NOT_IN_TEXT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode_xml(content: bytes) -> dict[str, Any]:
    """The document as a mapping from the name of its root element; raises FormatRefused."""
    builder, reader = TreeBuilder(), _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.within(builder.start)
    parser.EndElementHandler = reader.after(builder.end)
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise FormatRefused(f"XML, line {error.lineno}: {expat.ErrorString(error.code)}") from None
    root = builder.close()
    return {root.tag: _decoded(root)}


def encode_xml(value: Any) -> str:
    """The value as a document; a mapping with one key gives the root element, everything else stands in `root`.

    Characters that names of elements cannot have become `_`. Raises FormatRefused.
    """
    if isinstance(value, Mapping) and len(value) == 1 and not isinstance(next(iter(value.values())), list):
        name, inner = next(iter(value.items()))
    else:
        name, inner = _ROOT, {_ROW: value} if isinstance(value, list) else value
    root = Element(_name(str(name)))
    _fill(root, inner, 0)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


class _Reader:
    """Counts how deep the document is."""

    def __init__(self) -> None:
        self._depth = 0

    def refuse(self, *_: Any) -> None:
        raise FormatRefused("XML with a DOCTYPE is not read: remove the declaration")

    def within(self, start: Any) -> Any:
        def begun(tag: str, attributes: dict[str, str]) -> None:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise FormatRefused(f"XML: more than {MAX_DEPTH} elements inside one another")
            start(tag, attributes)

        return begun

    def after(self, end: Any) -> Any:
        def ended(tag: str) -> None:
            self._depth -= 1
            end(tag)

        return ended


def _decoded(element: Element) -> Any:
    text = "".join(_texts(element)).strip()
    if not len(element) and not element.attrib:
        return text or None
    found: dict[str, Any] = {_ATTRIBUTE + name: value for name, value in element.attrib.items()}
    repeated: set[str] = set()
    for inner in element:
        value = _decoded(inner)
        if inner.tag in repeated:
            found[inner.tag].append(value)
        elif inner.tag in found:
            repeated.add(inner.tag)
            found[inner.tag] = [found[inner.tag], value]
        else:
            found[inner.tag] = value
    return {**found, _TEXT: text} if text else found


def _texts(element: Element) -> Iterator[str]:
    yield element.text or ""
    for inner in element:
        yield inner.tail or ""


def _fill(element: Element, value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FormatRefused(f"XML: the value is nested more than {MAX_DEPTH} deep")
    match value:
        case Mapping():
            for key, inner in value.items():
                _add(element, str(key), inner, depth)
        case list():
            _add(element, _ROW, value, depth)
        case None:
            pass
        case _:
            element.text = _text(value)


def _add(element: Element, key: str, value: Any, depth: int) -> None:
    if key == _TEXT:
        element.text = _text(value)
        return
    if key.startswith(_ATTRIBUTE):
        element.set(_name(key[1:]), _text(value))
        return
    for item in value if isinstance(value, list) else [value]:
        inner = Element(_name(key))
        element.append(inner)
        _fill(inner, item, depth + 1)


def _name(text: str) -> str:
    name = _NOT_IN_NAMES.sub("_", text) or "_"
    return "_" + name if _NO_START.match(name) and not name[0].isalpha() else name


def _text(value: Any) -> str:
    match value:
        case bool():
            text = "true" if value else "false"
        case None:
            text = ""
        case _:
            text = str(value)
    if _NOT_IN_TEXT.search(text):
        raise FormatRefused("XML cannot hold a control character of the value")
    return text
