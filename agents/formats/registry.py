"""The formats by name: text into values and back."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal, NoReturn, get_args

import yaml
from elexirion.agents.formats.delimited import decode_csv, encode_csv
from elexirion.agents.formats.markup import decode_xml, encode_xml
from elexirion.agents.formats.refusal import FormatRefused
from elexirion.pipelines import yaml_reader
from elexirion.pipelines.problems import PipelineInvalid

Format = Literal["json", "jsonl", "csv", "yaml", "xml", "text"]
FORMATS: tuple[str, ...] = get_args(Format)
_BY_SUFFIX = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".yaml": "yaml", ".yml": "yaml",
    ".xml": "xml",
}  # fmt: skip

__all__ = ["FORMATS", "Format", "FormatRefused", "decoded", "encoded", "format_of"]


def format_of(path: str) -> str | None:
    """The format that a file's name promises, or None."""
    return _BY_SUFFIX.get(PurePath(path).suffix.lower())


def decoded(content: bytes, form: str, delimiter: str = ",") -> Any:
    """The value of a file's content; raises FormatRefused."""
    if form == "xml":
        return decode_xml(content)
    text = _text(content)
    match form:
        case "json":
            return _json(text)
        case "jsonl":
            return [_json(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        case "csv":
            return decode_csv(text, delimiter)
        case "yaml":
            return _yaml(text)
        case "text":
            return text
        case _:
            raise _unknown(form)


def encoded(value: Any, form: str, delimiter: str = ",") -> str:
    """The value as text; raises FormatRefused."""
    match form:
        case "json":
            return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
        case "jsonl":
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(value))
        case "csv":
            return encode_csv(_rows(value), delimiter)
        case "yaml":
            return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
        case "xml":
            return encode_xml(value)
        case "text":
            return value if isinstance(value, str) else encoded(value, "json")
        case _:
            raise _unknown(form)


def _rows(value: Any) -> list[Any]:
    """The rows for a format of lines: a list, or the only list below mappings of one key, as XML has it."""
    inner = value
    while isinstance(inner, Mapping) and len(inner) == 1 and isinstance(next(iter(inner.values())), list | Mapping):
        inner = next(iter(inner.values()))
    return inner if isinstance(inner, list) else [inner]


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatRefused(f"it is no UTF-8 text (byte {error.start})") from None


def _json(text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FormatRefused(f"JSON{f' in line {line}' if line else ''}: {_said(error)}") from None


def _yaml(text: str) -> Any:
    try:
        document = yaml_reader.read(text, "YAML")
    except PipelineInvalid as invalid:
        raise FormatRefused(_first(invalid)) from None
    if document.problems:
        raise FormatRefused(f"YAML, line {document.problems[0].line}: {document.problems[0].message}")
    return document.value


def _first(invalid: PipelineInvalid) -> str:
    problem = invalid.errors[0]
    return f"YAML, line {problem.line}: {problem.message}"


def _said(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg}, line {error.lineno}"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _unknown(form: str) -> FormatRefused:
    return FormatRefused(f"unknown format `{form}`: use {', '.join(FORMATS)}")
