"""CSV: rows as lines, the first line the columns."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from elexirion.agents.formats.refusal import FormatRefused

MAX_COLUMNS = 1_000
_VALUE = "value"


def decode_csv(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows of a text with a line of column names; all values are texts. Raises FormatRefused."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    try:
        columns = next(reader, [])
        _check_columns(columns)
        return [_row(columns, cells, reader.line_num) for cells in reader if cells]
    except csv.Error as error:
        raise FormatRefused(f"CSV, line {reader.line_num}: {error}") from None


def encode_csv(rows: Iterable[Any], delimiter: str = ",") -> str:
    """Rows as lines, with all their columns in the order of appearance; null is empty, nested values are JSON."""
    listed = [row if isinstance(row, Mapping) else {_VALUE: row} for row in rows]
    columns = list(dict.fromkeys(str(name) for row in listed for name in row))
    if not columns:
        return ""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in listed)
    return text.getvalue()


def _check_columns(columns: list[str]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise FormatRefused(f"CSV: more than {MAX_COLUMNS} columns")
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise FormatRefused(f"CSV, line 1: the column `{twice[0]}` stands there twice")


def _row(columns: list[str], cells: list[str], line: int) -> dict[str, str]:
    if len(cells) > len(columns):
        raise FormatRefused(f"CSV, line {line}: {len(cells)} values for {len(columns)} columns")
    return dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=True))


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
