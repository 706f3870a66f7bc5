"""Which value of a variable holds: that of the step that the file puts later, whichever was faster."""

from itertools import permutations
from typing import Any

import pytest
from elexirion.projections.file_order import places
from elexirion.projections.variables import with_variables


def setter(name: str, *needs: str) -> dict[str, Any]:
    return {"name": name, "type": "set_variable", "needs": list(needs)}


def loop(name: str, *steps: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"name": name, "type": "for_loop", "steps": list(steps), **keys}


def effective(definition: dict[str, Any], *assigned: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """What holds after these were set in this order."""
    variables: dict[str, Any] = {}
    setters: dict[str, str] = {}
    for path, values in assigned:
        variables, setters = with_variables(definition, variables, setters, path, values)
    assert setters.keys() == variables.keys()
    return variables


def in_any_order(definition: dict[str, Any], *paths: str) -> set[str]:
    """The values of `v` after all orders in which these steps could set it to their own path."""
    return {effective(definition, *((path, {"v": path}) for path in order))["v"] for order in permutations(paths)}


FILE = {"name": "p", "steps": [
    setter("a"), setter("b"), setter("late", "tail"), setter("tail", "b"),
    loop("l", setter("x"), setter("y", "z"), setter("z")),
    {"name": "s", "type": "switch", "cases": {"k": [setter("in_case")]}, "default": [setter("in_default")]},
    {"name": "w", "type": "switch", "cases": {"k": [loop("deep", setter("2"), setter("0"), setter("1"))]}},
    {"name": "end", "type": "set_variable"},
], "on_error": [setter("h")]}  # fmt: skip


@pytest.mark.parametrize(("later", "paths"), [
    ("b", ("a", "b")),
    ("late", ("late", "tail", "b")),
    ("l/1/x", ("l/0/x", "l/1/x")),
    ("l/10/x", ("l/9/x", "l/10/x")),
    ("l/0/y", ("l/0/x", "l/0/y", "l/0/z")),
    ("l/1/x", ("l/0/y", "l/1/x")),
    ("l/0/x", ("a", "l/0/x")),
    ("s/in_case", ("l/7/y", "s/in_case")),
    ("w/deep/2/1", ("w/deep/0/1", "w/deep/1/1", "w/deep/2/1")),
    ("w/deep/2/0", ("w/deep/2/2", "w/deep/2/0", "w/deep/1/1")),
    ("end", ("w/deep/9/1", "end")),
    ("h", ("end", "h")),
])  # fmt: skip
def test_the_later_one_holds_in_any_order_of_arrival(later: str, paths: tuple[str, ...]) -> None:
    assert in_any_order(FILE, *paths) == {later}


def test_variables_that_one_step_alone_set_hold_whatever_came_later() -> None:
    assert effective(FILE, ("b", {"v": 1, "own": 2}), ("a", {"v": 3, "other": 4})) == {"v": 1, "own": 2, "other": 4}


def test_a_file_with_the_key_workflow_has_the_same_order() -> None:
    assert in_any_order({"workflow": FILE}, "late", "tail") == {"late"}


def test_paths_of_no_step_of_the_file_have_a_place_too() -> None:
    place = places(FILE)
    assert place("gone") > place("h")
    assert place("gone/1/x")
