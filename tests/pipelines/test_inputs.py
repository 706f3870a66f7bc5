"""Inputs of a run against what the pipeline declares and needs."""

import pytest
from elexirion.pipelines.inputs import InputsRefused, missing_inputs, undeclared_inputs, with_defaults

from tests.pipelines.files import loaded, pipeline, steps

DECLARED = "  inputs: {n: {type: integer, default: 3}, s: {type: string}, o: {required: false}}\n"


def test_a_needed_input_that_is_not_given_is_missing() -> None:
    needed = loaded(steps("name: a, type: test_echo, value: '{{ x }} {{ y }}'")).needed_inputs
    assert [one.name for one in missing_inputs(needed, {"x": None})] == ["y"]


def test_defaults_stand_under_what_is_given() -> None:
    found = pipeline(steps("name: a, type: test_echo") + DECLARED)
    assert with_defaults(found, {"s": "t"}) == {"n": 3, "o": None, "s": "t"}


def test_inputs_of_a_wrong_type_are_refused_all_at_once() -> None:
    found = pipeline(steps("name: a, type: test_echo") + DECLARED)
    with pytest.raises(InputsRefused) as caught:
        with_defaults(found, {"n": True, "s": 3})
    assert len(caught.value.reasons) == 2


def test_an_undeclared_input_is_named_where_inputs_are_declared() -> None:
    assert undeclared_inputs(pipeline(steps("name: a, type: test_echo") + DECLARED), {"z": 1, "n": 1}) == ("z",)
    assert undeclared_inputs(pipeline(steps("name: a, type: test_echo")), {"z": 1}) == ()


def test_a_refused_value_is_not_told() -> None:
    found = pipeline(steps("name: a, type: test_echo") + DECLARED)
    with pytest.raises(InputsRefused) as caught:
        with_defaults(found, {"n": "a secret"})
    assert str(caught.value) == "input `n` must be of type integer, not a text"
