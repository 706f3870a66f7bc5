"""The variables of a run, from what its set_variable steps set.

Where two steps set the same variable, the one that the file puts later holds, whichever happened to be evaluated
last: branches that run at the same time never decide by who was faster.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from elexirion.projections.file_order import places

Setters: TypeAlias = dict[str, str]
"""The path of the step that set each variable."""


def with_variables(
    definition: dict[str, Any], variables: dict[str, Any], setters: Setters, path: str, values: Mapping[str, Any]
) -> tuple[dict[str, Any], Setters]:
    """Variables and setters once the step at `path` has set `values` too."""
    variables, setters = dict(variables), dict(setters)
    for name, value in values.items():
        before = setters.get(name)
        if before is None or _later(definition, path, before):
            variables[name], setters[name] = value, path
    return variables, setters


def _later(definition: dict[str, Any], path: str, than: str) -> bool:
    place = places(definition)
    return place(path) >= place(than)
