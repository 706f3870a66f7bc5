"""`switch`: which case fits."""

import pytest
from elexirion.pipelines.names import Scope
from elexirion.pipelines.problems import PipelineInvalid
from elexirion.pipelines.schema import Pipeline
from elexirion.pipelines.steps.composite import Part
from elexirion.pipelines.steps.switch import SwitchStep
from hypothesis import given
from hypothesis import strategies as st

from tests.pipelines.files import loaded, pipeline, rendering, steps

ECHO = "[{name: in_%s, type: test_echo}]"


def _switch(line: str) -> tuple[Pipeline, SwitchStep]:
    found = pipeline(steps(f"name: which, type: switch, {line}"))
    step = found.step("which")
    assert isinstance(step, SwitchStep)
    return found, step


def _chosen(line: str, value: object) -> str | None:
    found, step = _switch(line)
    return step.chosen(rendering(found, Scope(inputs={"value": value})))


CASES = "cases: {a: [], '1': [], 'true': [], 'null': [], '2.5': []}"


@pytest.mark.parametrize("expression", ["value", "'{{ value }}'", "inputs.value"])
@pytest.mark.parametrize(
    ("value", "key"),
    [("a", "a"), (1, "1"), (1.0, "1"), ("1", "1"), (True, "true"), (None, "null"), (2.5, "2.5"), ("b", None)],
)
def test_a_case_is_chosen_by_the_value_as_the_file_writes_it(expression: str, value: object, key: str | None) -> None:
    assert _chosen(f"expression: {expression}, {CASES}", value) == key


def test_one_is_not_true() -> None:
    assert _chosen("expression: value, cases: {'true': []}", 1) is None
    assert _chosen("expression: value, cases: {'1': []}", True) is None


@pytest.mark.parametrize("where", ["cases: {a: []}, default: []", "cases: {a: [], default: []}"])
def test_what_fits_no_case_is_the_default_beside_the_cases_or_among_them(where: str) -> None:
    assert _chosen(f"expression: value, {where}", "zz") == "default"
    assert _chosen(f"expression: value, {where}", "a") == "a"


def test_an_expression_may_choose_by_a_condition() -> None:
    line = "expression: \"value > 3 ? 'high' : 'low'\", cases: {high: [], low: []}"
    assert (_chosen(line, 4), _chosen(line, 2)) == ("high", "low")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_every_text_finds_the_case_of_its_name(text: str) -> None:
    step = SwitchStep.model_validate(
        {"name": "s", "type": "switch", "expression": "value", "cases": {"other": [], text: []}}
    )
    found = pipeline(steps("name: a, type: test_echo"))
    assert step.chosen(rendering(found, Scope(inputs={"value": text}))) == text


def test_each_case_is_a_block_under_its_key() -> None:
    _, step = _switch(f"expression: value, cases: {{a: {ECHO % 'a'}}}, default: {ECHO % 'd'}")
    assert [(block.path, block.key, block.steps[0].name) for block in step.blocks()] == [
        (("cases", "a"), "a", "in_a"),
        (("default",), "default", "in_d"),
    ]


def test_the_result_names_the_branch_and_what_it_gave() -> None:
    _, step = _switch("expression: value, cases: {a: []}")
    part = Part(0, "a", "completed", "R", steps={"x": "R"})
    assert step.joined("a", part) == {"branch": "a", "result": "R", "steps": {"x": "R"}}
    assert step.joined(None, None) == {"branch": None, "result": None, "steps": {}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cases: {a: []}", "`expression` is missing"),
        ("expression: value", "a switch needs `cases`"),
        ("expression: 'value ==', cases: {a: []}", "does not parse"),
        ("expression: value, cases: {a: [], default: []}, default: []", "beside `cases` and in it"),
        ("expression: value, cases: {a: 3}", "a list is expected here"),
        ("expression: value, cases: {a: [{name: x, type: nope}]}", "Unknown step type 'nope'"),
        ("expression: value, cases: {a: [{name: x, type: claude}]}", "`prompt` is missing"),
    ],
)
def test_a_wrong_switch_is_refused_at_its_line(line: str, message: str) -> None:
    with pytest.raises(PipelineInvalid, match=message) as caught:
        loaded(steps("name: first, type: test_echo", f"name: s, type: switch, {line}"))
    assert {error.line for error in caught.value.errors} == {5}
