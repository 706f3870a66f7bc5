"""A difference between two contexts says all of it, and nothing but it."""

import copy
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from elexirion.projections.context import context_of
from elexirion.projections.context_diff import Difference, Place, change_of_context, differences, path_text
from elexirion.projections.run_fold import judge_all
from hypothesis import given
from hypothesis import strategies as st

from tests.projections.test_context_hash import FULL

NAMES = st.sampled_from(["a", "b", "two words", "0", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from([0.0, 1.0]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def applied(document: Any, found: Iterable[Difference]) -> Any:
    """The document with the differences made to it."""
    root = {"": copy.deepcopy(document)}
    removed: list[tuple[Any, Any]] = []
    for difference in found:
        holder: Any = root
        place: Place = ("", *difference.place)
        for part in place[:-1]:
            holder = holder[part]
        last: Any = place[-1]
        if difference.kind == "removed":
            removed.append((holder, last))
        elif difference.kind == "added" and isinstance(holder, list):
            assert last == len(holder)
            holder.append(difference.after)
        else:
            holder[last] = difference.after
    for holder, last in reversed(removed):
        del holder[last]
    return root[""]


def exactly(value: Any) -> str:
    """Text that tells 1, 1.0 and true apart and does not depend on the order of keys."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{exactly(value[key])}" for key in sorted(value)) + "}"
    return "[" + ",".join(map(exactly, value)) + "]" if isinstance(value, list) else repr(value)


@given(JSON, JSON)
def test_the_differences_made_to_the_first_give_the_second(before: Any, after: Any) -> None:
    assert exactly(applied(before, differences(before, after))) == exactly(after)


@given(JSON)
def test_equal_values_do_not_differ(value: Any) -> None:
    assert list(differences(value, copy.deepcopy(value))) == []


@given(JSON, JSON)
def test_each_place_is_named_once(before: Any, after: Any) -> None:
    places = [difference.place for difference in differences(before, after)]
    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("step_results", "a", "result"), "step_results.a.result"),
        (("variables", "two words"), 'variables["two words"]'),
        (("inputs", "list", 0, "x"), "inputs.list[0].x"),
        (("step_results", "loop/0/inner", "status"), 'step_results["loop/0/inner"].status'),
        (("a", 'say "x"'), 'a["say \\"x\\""]'),
        ((), ""),
    ],
)
def test_a_path_is_written_as_people_write_it(place: Place, text: str) -> None:
    assert path_text(place) == text


def test_what_an_event_changed_is_the_difference_of_the_whole_contexts() -> None:
    states = [judged.state for judged in judge_all(record for record, _ in FULL.records) if judged.state]
    for before, after in pairwise(states):
        told = {difference.place: difference for difference in change_of_context(before, after)}
        whole = {difference.place: difference for difference in differences(context_of(before), context_of(after))}
        assert told == whole


def test_the_first_event_adds_the_whole_context() -> None:
    state = next(judged.state for judged in judge_all(record for record, _ in FULL.records) if judged.state)
    found = change_of_context(None, state)
    assert {difference.kind for difference in found} == {"added"}
    assert applied({}, found) == context_of(state)


def test_a_document_has_only_the_side_that_there_is() -> None:
    found = sorted(differences({"b": 1, "c": 1}, {"a": None, "b": 2}), key=lambda one: one.path)
    added, changed, removed = found
    assert added.document() == {"kind": "added", "path": "a", "after": None}
    assert changed.document() == {"kind": "changed", "path": "b", "before": 1, "after": 2}
    assert removed.document() == {"kind": "removed", "path": "c", "before": 1}
