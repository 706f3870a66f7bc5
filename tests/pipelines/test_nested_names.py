"""Steps inside of steps: which names each of them may use, and where a wrong one is said to stand."""

import pytest
from elexirion.pipelines.loader import load
from elexirion.pipelines.problems import PipelineInvalid

from tests.pipelines.files import errors_of, loaded, pipeline

HEAD = "name: p\nsteps:\n"


def _echo(name: str, value: str = "x", rest: str = "") -> str:
    return f"{{name: {name}, type: test_echo, value: '{value}'{rest}}}"


def _for(name: str, *inner: str, rest: str = "") -> str:
    return f"{{name: {name}, type: for_loop, over: [1]{rest}, steps: [{', '.join(inner)}]}}"


def _while(name: str, condition: str, *inner: str) -> str:
    return f"{{name: {name}, type: while_loop, condition: '{condition}', steps: [{', '.join(inner)}]}}"


def _switch(name: str, *cases: str) -> str:
    written = ", ".join(f"c{index}: [{case}]" for index, case in enumerate(cases))
    return f"{{name: {name}, type: switch, expression: x, cases: {{{written}}}}}"


def _set(name: str, variable: str, rest: str = "") -> str:
    return f"{{name: {name}, type: set_variable, variables: {{{variable}: 1}}{rest}}}"


def _file(*steps: str, rest: str = "") -> str:
    return HEAD + "".join(f"  - {step}\n" for step in steps) + rest


def _errors(*steps: str) -> list[str]:
    return errors_of(_file(*steps))


def test_a_nested_step_is_found_by_its_name_with_defaults_applied() -> None:
    found = pipeline(_file(_for("a", _switch("b", _echo("c"))), rest="on_error: [" + _for("h", _echo("i")) + "]\n"
                           "defaults: {timeout_seconds: 7}\n"))  # fmt: skip
    assert found.effective("c").timeout_s == found.effective("i").timeout_s == 7
    assert set(found.by_name) == {"a", "b", "c", "h", "i"}


@pytest.mark.parametrize(
    "steps",
    [
        [_for("a", _echo("b"), _echo("c", "{{ steps.b.result }}"))],
        [_echo("a"), _for("b", _switch("c", _echo("d", "{{ a.result }}")))],
        [_for("a", _echo("b", "{{ item }}{{ loop.index }}{{ loop.parent.index }}"))],
        [_for("a", _echo("b", "{{ file }}{{ item }}"), rest=", iterator: file")],
        [_for("a", _for("b", _echo("c", "{{ x }}{{ y }}"), rest=", as: y"), rest=", as: x")],
        [_while("a", "b.n < 3", _echo("b", "{{ loop.index }}"))],
        [_while("a", "steps.b.n < 3 and v", _echo("b"), _set("c", "v"))],
        [_while("a", "c.n < 3", _switch("b", _echo("c")))],
        [_for("a", _echo("b"), rest=", break_condition: b.n > 3, continue_condition: b.n == item")],
        [_for("a", _echo("b")), _echo("c", "{{ a.results }}{{ b.result }}{{ steps.b.text }}")],
        [_switch("a", _echo("b"), _echo("c")), _echo("d", "{{ a.branch }}{{ c.result }}")],
        [_for("a", _set("s", "v"), _echo("b", "{{ v }}")), _echo("c", "{{ v }}")],
        [_for("a", _set("s", "v", ", scope: loop"), _echo("b", "{{ v }}"))],
        [_for("a", _set("s", "v", ", scope: loop"), _for("b", _echo("c", "{{ v }}")))],
        [_set("s", "v", ", scope: loop"), _echo("b", "{{ v }}")],
        [_for("a", _echo("b"), _echo("c", "x", ", needs: []"), _echo("d", "x", ", needs: [b, c]"))],
    ],
)
def test_names_that_a_nested_step_may_use(steps: list[str]) -> None:
    found = loaded(_file(*steps))
    assert found.needed_inputs == () or [one.name for one in found.needed_inputs] == ["x"]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([_for("a", _echo("b", "{{ c.result }}"), _echo("c"))], "3: the step `c` comes later or need not be over"),
        ([_for("a", _echo("b", "{{ steps.z.result }}")), _echo("z")], "3: the step `z` comes later"),
        ([_for("a", _echo("b", "{{ steps.a.result }}"))], "3: the step `a` holds this one"),
        ([_switch("a", _echo("b"), _echo("c", "{{ b.result }}"))], "3: the step `b` comes later"),
        ([_for("a", _echo("b", "{{ steps.zz.result }}"))], "3: the step `zz` does not exist"),
        ([_echo("z", "{{ b.result }}"), _for("a", _echo("b"))], "3: the step `b` comes later"),
        ([_echo("z", "{{ v }}"), _for("a", _set("s", "v"))], "3: the variable `v` is set by the step `s`"),
        ([_for("a", _set("s", "v", ", scope: loop")), _echo("z", "{{ v }}")], "which holds within its loop only"),
        ([_while("a", "zz.n and steps.yy", _echo("b"))], "3: the step `yy` does not exist"),
        ([_for("a", _echo("a"))], "3: the name `a` is already that of the step at line 3"),
        ([_for("a", _echo("b")), _switch("c", _echo("b"))], "4: the name `b` is already that of the step at line 3"),
        ([_echo("z"), _for("a", _echo("b", "x", ", needs: [z]"))], "which stands in another block"),
        ([_for("a", _echo("b", "x", ", needs: [zz]"))], "`needs` names the step `zz`, which does not exist"),
        (
            [_for("a", _echo("b", "x", ", needs: [c]"), _echo("c", "x", ", needs: [b]"))],
            "3: steps wait for each other: b → c → b",
        ),
        ([_for("a", "{name: b, type: gemini, prompt: x, functions: [f]}")], "3: the function `f` is not declared"),
        ([_for("a", _echo("b", "{{ 1 + }}"))], "3: the template does not parse"),
    ],
)
def test_names_that_a_nested_step_may_not_use(steps: list[str], message: str) -> None:
    found = _errors(*steps)
    assert any(message.removeprefix("3: ") in error for error in found), found
    assert not message.startswith("3: ") or any(error.startswith("3: ") for error in found)


def test_a_name_of_a_loop_is_unknown_outside_of_it() -> None:
    text = _file(_for("a", _echo("b"), rest=", as: row"), _echo("c", "{{ row }}{{ loop.index }}"))
    assert {one.name for one in loaded(text).needed_inputs} == {"row", "loop"}


def test_an_error_of_a_nested_step_has_its_line_and_key_path() -> None:
    text = HEAD + (
        "  - name: outer\n    type: for_loop\n    over: [1]\n    steps:\n"
        "      - name: choose\n        type: switch\n        expression: item\n        cases:\n"
        "          yes:\n            - name: deep\n              type: test_echo\n"
        "              value: '{{ steps.zz.x }}'\n"
    )
    with pytest.raises(PipelineInvalid) as caught:
        load(text, "p.yaml")
    (error,) = caught.value.errors
    assert (error.line, error.key_path) == (14, "steps[0].steps[0].cases.yes[0].value")


def test_all_errors_come_at_once_also_around_and_inside_of_a_wrong_step() -> None:
    text = HEAD + (
        "  - name: outer\n    type: for_loop\n    max_iterations: none\n    over: [1]\n    as: row\n    steps:\n"
        "      - {name: one, type: test_echo, value: '{{ row }}{{ steps.zz.text }}'}\n"
        "      - {name: two, type: nope}\n"
        "  - {name: after, type: test_echo, value: '{{ one.result }}{{ steps.two.result }}{{ yy ? 1 }}'}\n"
    )
    assert [error.split(":")[0] for error in errors_of(text)] == ["5", "9", "10", "11"]


def test_steps_may_stand_ten_deep_or_as_deep_as_the_limits_say() -> None:
    def nested(depth: int) -> str:
        inner = _echo("leaf")
        for level in range(depth):
            inner = _for(f"l{level}", inner)
        return inner

    assert errors_of(_file(nested(10))) == []
    assert errors_of(_file(nested(11))) == ["3: 11 steps stand around this one, more than 10"]
    limits = "resource_limits: {max_nesting_depth: 2}\n"
    assert errors_of(_file(nested(2), rest=limits)) == []
    assert errors_of(_file(nested(3), rest=limits)) == ["3: 3 steps stand around this one, more than 2"]


def test_steps_that_handle_an_error_see_it_and_what_went_before() -> None:
    handler = "on_error: [" + _echo("h", "{{ error.message }}{{ error.kind }}{{ a.result }}") + "]\n"
    assert loaded(_file(_echo("a"), rest=handler)).needed_inputs == ()
    assert [one.name for one in loaded(_file(_echo("a", "{{ error.message }}"))).needed_inputs] == ["error"]


def test_an_output_field_is_a_name_for_later_steps_and_not_for_earlier_ones() -> None:
    gives = "{name: t, type: data_transform, input_source: [1], operations: [], output_field: rows}"
    uses = _echo("u", "{{ previous_response:rows }}")
    assert _errors(gives, uses) == []
    assert _errors(uses, gives) == [
        "3: the output field `rows` is that of the step `t`, which need not be over by then"
    ]
    assert _errors(gives, _echo("u", "{{ previous_response:rowz }}")) == ["4: the step `rowz` does not exist"]


def test_the_output_of_a_run_may_name_a_nested_step() -> None:
    assert errors_of(_file(_for("a", _echo("b")), rest="output: b\n")) == []
    assert errors_of(_file(_for("a", _echo("b")), rest="output: steps.zz.result\n")) == [
        "4: the step `zz` does not exist"
    ]
