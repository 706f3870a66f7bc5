"""Rows brought together: join and group_by."""

from collections.abc import Mapping
from typing import Any

from elexirion.agents.data.values import MAX_ROWS, DataRefused, key_text, value_in
from elexirion.pipelines.steps.data_operations import JoinType

NO_KEY = "null"


def grouped(rows: list[Any], column: str | None) -> dict[str, list[Any]]:
    """The rows of each value of the column, as text, in the order in which the values first appear."""
    groups: dict[str, list[Any]] = {}
    for row in rows:
        key = key_text(value_in(row, column))
        groups.setdefault(NO_KEY if key is None else key, []).append(row)
    return groups


def joined(left: list[Any], right: list[Any], column: str | None, key: str, how: JoinType) -> list[Any]:
    """Each left row with each right row of the same key, in the order of the left rows.

    Right rows without a partner come last. Raises DataRefused for too many rows.
    """
    partners = _by_key(right, key)
    found: list[Any] = []
    used: set[str] = set()
    for row in left:
        text = key_text(value_in(row, column))
        matches = partners.get(text, []) if text is not None else []
        if matches and text is not None:
            used.add(text)
        found += [merged(row, other, key) for other in matches]
        if not matches and how in ("left", "outer"):
            found.append(row)
        if len(found) > MAX_ROWS:
            raise DataRefused(f"the join gives more than {MAX_ROWS} rows: is `{key}` the key of the other rows?")
    if how in ("right", "outer"):
        found += [row for row in right if key_text(value_in(row, key)) not in used]
    return found


def merged(left: Any, right: Any, key: str) -> dict[str, Any]:
    """The fields of both rows; a right one that the left row has as well is named `right_…`, its key left out."""
    for row in (left, right):
        if not isinstance(row, Mapping):
            raise DataRefused("joined rows are mappings")
    result = dict(left)
    for name, value in right.items():
        if name not in left:
            result[name] = value
        elif name != key:
            result.setdefault(f"right_{name}", value)
    return result


def _by_key(rows: list[Any], key: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        text = key_text(value_in(row, key))
        if text is not None:
            found.setdefault(text, []).append(row)
    return found
