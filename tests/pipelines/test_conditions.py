"""Conditions in every form."""

from typing import Any

import pytest
from elexirion.pipelines.conditions import ConditionResult, evaluate, expressions, parse
from elexirion.pipelines.names import Scope, StepView
from elexirion.pipelines.template_errors import TemplateError, TemplateInvalid, TemplateNameError
from hypothesis import given
from hypothesis import strategies as st

SCOPE = Scope(
    inputs={"mode": "fast", "n": 7, "config": {"deep": True}},
    variables={"tries": 2},
    steps={
        "a": StepView.of('{"score": 8, "tags": ["x"], "name": "Ann", "inner": {"k": 1}}'),
        "b": StepView.of({"done": False}),
        "bad": StepView.of(None, status="failed"),
    },
)


def _result(condition: Any) -> ConditionResult:
    return evaluate(parse(condition), SCOPE)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (True, True),
        (False, False),
        ("steps.a.score > 7", True),
        ("a.score>7 and not b.done", True),
        ("a.score > 7 and b.done", False),
        ("contains(a.tags, 'x')", True),
        ("a.score between 5 and 9", True),
        ("a.score between 9 and 12", False),
        ("not a.score between 9 and 12", True),
        ("a.score between 5 and 9 and n between 7 and 7", True),
        ("n + 1 between 8 and 8 or false", True),
        ("a.name matches '^A'", True),
        ("mode == 'fast' and a.name matches 'b' or n == 7", True),
        ("mode == 'a matches b ? c : d'", False),
        ("a.score > 7 ? b.done : true", False),
        ("(a.score > 9 ? 1 : 2) == 2", True),
        ("{{ a.score > 7 }}", True),
        ("{{ a.score }} > {{ n }}", True),
        ("{{ previous_response:a.score }} == 8", True),
        ("a.success", True),
        ("bad.success", False),
        ("bad.status == 'failed'", True),
        ("a", True),
        ("bad", False),
        ("'x' in a.tags", True),
        ("a.inner.k == 1", True),
        ("tries < 3", True),
        (["n == 7", "mode == 'fast'"], True),
        (["n == 7", "mode == 'slow'"], False),
        ([], True),
        ({"and": ["n == 7", {"or": ["mode == 'slow'", "tries == 2"]}]}, True),
        ({"or": ["n == 1", "n == 2"]}, False),
        ({"or": []}, False),
        ({"not": "n == 7"}, False),
        ({"not": ["n == 7", "n == 8"]}, True),
    ],
)
def test_a_condition_holds_or_not(condition: Any, value: bool) -> None:
    assert _result(condition) == ConditionResult(value)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("a.nope > 5", False),
        ("a.nope < 5", False),
        ("5 > a.nope", False),
        ("a.nope", False),
        ("not a.nope", True),
        ("a.nope == 'x'", False),
        ("a.nope != 'x'", True),
        ("a.nope.deeper > 1", False),
        ("a.inner.nope > 1", False),
        ("a.nope + 1 > 1", False),
        ("contains(a.nope, 'x')", False),
        ("a.nope between 1 and 2", False),
        ("a.nope matches 'x'", False),
        ("'x' in a.nope", False),
        ("steps.a.nope", False),
        ("a['nope']", False),
    ],
)
def test_a_missing_field_of_a_step_is_false_with_a_warning(condition: str, value: bool) -> None:
    assert _result(condition) == ConditionResult(value, ("`nope` is missing and counts as false",))


@pytest.mark.parametrize(
    "condition", ["nope", "nope > 1", "steps.nope.x", "inputs.nope", "variables.nope == 1", "not nope"]
)
def test_an_unknown_name_is_an_error_and_not_false(condition: str) -> None:
    with pytest.raises(TemplateNameError):
        _result(condition)


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(TemplateError):
        _result("a.name > 5")


def test_a_condition_stops_where_its_value_is_certain() -> None:
    assert _result(["n == 8", "nope"]) == ConditionResult(False)
    assert _result({"or": ["n == 7", "nope"]}) == ConditionResult(True)


@pytest.mark.parametrize(
    "condition",
    ["", "a >", "a ? b", "{% if a %}", 3, None, {}, {"xor": []}, {"and": "a"}, {"a": 1, "b": 2}, "a }} {{ b"],
)
def test_a_condition_that_does_not_parse_is_refused(condition: Any) -> None:
    with pytest.raises(TemplateInvalid):
        parse(condition)


def test_a_condition_nested_for_ever_is_refused() -> None:
    condition: Any = "true"
    for _ in range(1000):
        condition = {"not": condition}
    with pytest.raises(TemplateInvalid):
        parse(condition)


_TREES = st.recursive(
    st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries({"and": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"or": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=8,
)


def _expected(tree: Any) -> bool:
    match tree:
        case bool():
            return tree
        case list():
            return all(map(_expected, tree))
        case {"and": parts}:
            return all(map(_expected, parts))
        case {"or": parts}:
            return any(map(_expected, parts))
        case {"not": part}:
            return not _expected(part)
    raise AssertionError(tree)


def _text(tree: Any) -> str:
    match tree:
        case bool():
            return "n == 7" if tree else "n == 8"
        case list() | {"and": list()}:
            parts = tree if isinstance(tree, list) else tree["and"]
            return "(" + " and ".join(["true", *map(_text, parts)]) + ")"
        case {"or": parts}:
            return "(" + " or ".join(["false", *map(_text, parts)]) + ")"
        case {"not": part}:
            return f"(not {_text(part)})"
    raise AssertionError(tree)


@given(_TREES)
def test_a_tree_and_the_expression_of_the_same_meaning_agree(tree: Any) -> None:
    assert _result(tree).value is _expected(tree)
    assert _result(_text(tree)).value is _expected(tree)


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20))
def test_between_and_the_ternary_mean_what_they_say(low: int, value: int, high: int) -> None:
    scope = Scope(inputs={"low": low, "v": value, "high": high})
    between = evaluate(parse("v between low and high"), scope).value
    assert between is (low <= value <= high)
    assert evaluate(parse("v > low ? v < high : v == high"), scope).value is (
        value < high if value > low else value == high
    )


@given(st.text(alphabet="ab.?:()'\"and or not between matches 15<>={}[]", max_size=40))
def test_any_text_is_a_condition_or_is_refused(source: str) -> None:
    try:
        condition = parse(source)
    except TemplateInvalid:
        return
    assert [part.source for part in expressions(condition)] == [source]
