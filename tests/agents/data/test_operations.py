"""The laws of the single operations, over any rows."""

from itertools import pairwise
from typing import Any

import pytest
from elexirion.agents.data import combined, mapped, measured, ordered, selection
from elexirion.agents.data.values import DataRefused, identity, key_text, order_keys, rows_of, value_in, with_value
from elexirion.pipelines.steps.data_operations import Limit, Select
from hypothesis import given
from hypothesis import strategies as st

SCALARS = st.none() | st.booleans() | st.integers(-50, 50) | st.floats(-9, 9) | st.text("ab1 ", max_size=3)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from("xy"), SCALARS, max_size=2)
ROWS = st.lists(st.dictionaries(st.sampled_from(["k", "v", "id"]), VALUES, max_size=3), max_size=12)
KEYS = st.sampled_from([1, 2, "1", 2.0, None, True])
KEYED = st.lists(st.fixed_dictionaries({"k": KEYS, "v": st.integers()}), max_size=8)


@given(ROWS, st.sampled_from(["asc", "desc"]))
def test_a_sort_is_a_stable_order_of_all_rows_with_null_last(rows: list[Any], order: Any) -> None:
    numbered = [{**row, "n": number} for number, row in enumerate(rows)]
    found = ordered.sorted_by(numbered, ["k"], order)
    assert sorted(row["n"] for row in found) == list(range(len(rows)))
    keys = order_keys(row.get("k") for row in found)
    present = [key for key in keys if key is not None]
    assert keys == present + [None] * (len(keys) - len(present))
    for one, other in pairwise(zip(keys, found, strict=True)):
        if one[0] is not None and other[0] is not None:
            assert one[0] <= other[0] if order == "asc" else one[0] >= other[0]
        if one[0] == other[0]:
            assert one[1]["n"] < other[1]["n"]


@given(ROWS)
def test_sorting_twice_changes_nothing(rows: list[Any]) -> None:
    once = ordered.sorted_by(rows, ["k", "v"], "asc")
    assert ordered.sorted_by(once, ["k", "v"], "asc") == once


@given(ROWS, st.sets(st.integers(0, 11)))
def test_a_filter_keeps_order(rows: list[Any], kept: set[int]) -> None:
    found = selection.filtered(rows, lambda row, index: index in kept)
    assert found == [row for index, row in enumerate(rows) if index in kept]


@given(ROWS)
def test_groups_are_a_partition(rows: list[Any]) -> None:
    numbered = [{**row, "n": number} for number, row in enumerate(rows)]
    groups = combined.grouped(numbered, "k")
    assert sorted(row["n"] for group in groups.values() for row in group) == list(range(len(rows)))
    for name, group in groups.items():
        assert group
        assert [row["n"] for row in group] == sorted(row["n"] for row in group)
        assert all(key_text(row.get("k")) in (name, None if name == "null" else name) for row in group)


@given(KEYED, KEYED)
def test_a_join_is_two_nested_loops(left: list[Any], right: list[Any]) -> None:
    loops = [
        {**row, "right_v": other["v"]}
        for row in left
        for other in right
        if row["k"] is not None and key_text(row["k"]) == key_text(other["k"])
    ]
    assert combined.joined(left, right, "k", "k", "inner") == loops


@given(KEYED, KEYED)
def test_an_outer_join_loses_no_row(left: list[Any], right: list[Any]) -> None:
    left = [{**row, "n": number} for number, row in enumerate(left)]
    right = [{"id": row["k"], "m": number} for number, row in enumerate(right)]
    found = combined.joined(left, right, "k", "id", "outer")
    assert {row["n"] for row in found if "n" in row} == set(range(len(left)))
    assert {row["m"] for row in found if "m" in row} == set(range(len(right)))


def test_rows_without_a_partner_stay_on_the_side_that_is_named() -> None:
    left, right = [{"u": 1, "n": "a"}, {"u": 7}, {"u": None}], [{"id": "1", "n": "x"}, {"id": 2}, {"id": None}]
    pair = {"u": 1, "n": "a", "id": "1", "right_n": "x"}
    assert combined.joined(left, right, "u", "id", "inner") == [pair]
    assert combined.joined(left, right, "u", "id", "left") == [pair, {"u": 7}, {"u": None}]
    assert combined.joined(left, right, "u", "id", "right") == [pair, {"id": 2}, {"id": None}]
    assert combined.joined(left, right, "u", "id", "outer") == [pair, {"u": 7}, {"u": None}, {"id": 2}, {"id": None}]


def test_a_join_that_multiplies_rows_is_cut() -> None:
    with pytest.raises(DataRefused, match="more than 100000 rows"):
        combined.joined([{"k": 1}] * 400, [{"k": 1}] * 400, "k", "k", "inner")


@given(ROWS)
def test_unique_keeps_the_first_of_equal_values(rows: list[Any]) -> None:
    found = selection.unique(rows, "k")
    assert [identity(row.get("k")) for row in found] == list(dict.fromkeys(identity(row.get("k")) for row in rows))
    assert all(
        row is next(other for other in rows if identity(other.get("k")) == identity(row.get("k"))) for row in found
    )


def test_equal_is_equal_in_json_and_not_in_python() -> None:
    assert selection.unique([1, True, 1.0, "1", [1], [True], None, {"a": 1, "b": 2}, {"b": 2, "a": 1}], None) == [
        1, True, "1", [1], [True], None, {"a": 1, "b": 2},
    ]  # fmt: skip


def test_limit_and_select() -> None:
    assert selection.limited([1, 2, 3, 4], Limit(operation="limit", count=2, offset=1)) == [2, 3]
    rows = [{"a": 1, "b": {"c": 2}}, {"b": 5}]
    assert selection.selected(rows, Select(operation="select", fields=("b.c", "a"))) == [
        {"b.c": 2, "a": 1}, {"b.c": None, "a": None},
    ]  # fmt: skip
    assert selection.selected(rows, Select(operation="select", fields={"x": "a"})) == [{"x": 1}, {"x": None}]


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        ("count", [1, None, "x"], 2), ("count_distinct", [1, 1.0, True, "1", None], 3),
        ("sum", [1, "2", None, 0.5], 3.5),
        ("sum", [], 0), ("average", [1, 2], 1.5), ("avg", [], None), ("mean", ["4"], 4), ("median", [3, 1, 2], 2),
        ("median", [], None), ("min", [3, "2", None], 2), ("max", ["2024-01-02", "2023-12-31"], "2024-01-02"),
        ("max", ["9", "10"], 10), ("min", [], None), ("max", [1, "a"], "a"), ("first", [None, 5, 6], 5),
        ("last", [5, None], 5),
        ("first", [], None),
    ],
)  # fmt: skip
def test_an_aggregate_counts_what_is_there(function: Any, values: list[Any], expected: Any) -> None:
    rows = [{"v": value} for value in values]
    assert measured.aggregated(rows, "v", function) == expected
    assert measured.aggregated([*values], None, function) == expected or function == "count"


def test_count_without_a_column_counts_rows() -> None:
    assert measured.aggregated([None, {}, 1], None, "count") == 3


def test_a_sum_of_what_is_no_number_is_refused_without_showing_it() -> None:
    with pytest.raises(DataRefused, match="1 of 2 values of the column `v` are no numbers") as refused:
        measured.aggregated([{"v": "secret"}, {"v": 1}], "v", "sum")
    assert "secret" not in str(refused.value)


def test_a_mapping_replaces_by_text_and_leaves_the_rest() -> None:
    rows = [{"a": 1}, {"a": "1"}, {"a": True}, {"a": None}, {"a": [1]}, {}]
    found = mapped.replaced(rows, "a", {"1": "one", "true": "yes", "null": "none"})
    assert [row["a"] for row in found] == ["one", "one", "yes", "none", [1], "none"]


def test_columns_reach_into_rows() -> None:
    row = {"a": {"b": [1, {"c": 2}]}, "x.y": 3}
    assert [value_in(row, column) for column in ("a.b.1.c", "x.y", "a.nope", "a.b.9", None)] == [2, 3, None, None, row]
    assert with_value(row, "a.d", 4)["a"] == {"b": [1, {"c": 2}], "d": 4}
    assert with_value(row, "x.y", 4) == {**row, "x.y": 4}
    with pytest.raises(DataRefused, match="not a number"):
        with_value(5, "a", 1)


def test_what_gives_rows() -> None:
    assert rows_of('[{"a": 1}]') == [{"a": 1}]
    assert rows_of({"a": 1}) == [{"a": 1}]
    with pytest.raises(DataRefused, match="more than 100000"):
        rows_of([0] * 100_001)
