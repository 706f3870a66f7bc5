"""The names of one evaluation, and which of two equal ones wins."""

import json

import pytest
from elexirion.pipelines import conditions, templates
from elexirion.pipelines.names import Scope, StepView, scope_as_json, scope_from_json
from elexirion.pipelines.template_errors import TemplateError

from tests.pipelines.files import pipeline, rendering, steps

EVERYWHERE = Scope(
    iterator="x",
    item="item of x",
    loop={"index": 0},
    outer={"y": "outer y", "x": "outer x", "z": "outer z"},
    inputs={"x": "input", "y": "input", "z": "input", "a": "input", "b": "input"},
    variables={"a": "variable", "b": "variable", "c": "variable"},
    steps={name: StepView.of(f"step {name}") for name in ("a", "b", "c", "d", "max")},
    sessions={"tutor": [{"user": "hi", "assistant": "hello"}]},
    absent=("later",),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "item of x"), ("item", "item of x"), ("y", "outer y"), ("z", "outer z"), ("a", "input"),
        ("b", "input"), ("c", "variable"), ("d", "step d"), ("max", "step max"),
    ],
)  # fmt: skip
def test_of_two_equal_names_the_nearer_one_wins(name: str, value: str) -> None:
    assert templates.render(templates.parse(f"{{{{ {name} }}}}"), EVERYWHERE) == value
    assert templates.render(templates.parse(f"{{{{ [{name}] | first }}}}"), EVERYWHERE) == value


def test_a_scope_goes_through_json_and_back() -> None:
    plain = json.loads(json.dumps(scope_as_json(EVERYWHERE)))
    again = scope_from_json(plain)
    assert scope_as_json(again) == plain
    assert again.outer == EVERYWHERE.outer
    assert again.sessions == EVERYWHERE.sessions


def test_what_may_be_absent_is_false_in_conditions_and_unknown_in_templates() -> None:
    found = conditions.evaluate(conditions.parse("later.x or steps.later"), EVERYWHERE)
    assert not found.value
    assert found.warnings
    with pytest.raises(TemplateError):
        templates.render(templates.parse("{{ later }}"), EVERYWHERE)


def test_what_may_be_absent_and_is_there_has_its_value() -> None:
    scope = Scope(steps={"later": StepView.of({"x": 1})}, absent=("later",))
    assert conditions.evaluate(conditions.parse("later.x == 1 and steps.later.x == 1"), scope).warnings == ()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("steps.d.text", "step d"), ("{{ steps.d.text }}", "step d"), ("previous_response:d", "step d"),
        ("c == 'variable' ? 1 : 2", 1), (3, 3), (None, None), (["{{ d.text }}", "d"], ["step d", "d"]),
        ({"k": "{{ 1 + 1 }}"}, {"k": 2}),
    ],
)  # fmt: skip
def test_an_expression_stands_with_braces_or_without(source: object, value: object) -> None:
    assert rendering(pipeline(steps("name: a, type: test_echo")), EVERYWHERE).expression(source) == value


def test_a_session_that_nothing_was_said_in_is_empty() -> None:
    found = rendering(pipeline(steps("name: a, type: test_echo")), EVERYWHERE)
    assert found.session("tutor") == [{"user": "hi", "assistant": "hello"}]
    assert found.session("other") == []
