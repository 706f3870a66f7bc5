"""Upcasting on read: `(type, version) -> data of the next version`, chained up to the present one."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""One line per retired version; the function maps its data to the data of the version after it."""


def upcast(
    type_name: str,
    version: int,
    data: dict[str, Any],
    present: int,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> dict[str, Any] | None:
    """Data in the present version, or None where the chain does not reach (a newer or unknown version)."""
    while version < present:
        step = upcasters.get((type_name, version))
        if step is None:
            return None
        data, version = step(data), version + 1
    return data if version == present else None
