"""Pipeline files: what loads, what is refused, and where."""

import json
from pathlib import Path

import pytest
import yaml
from elexirion.pipelines.loader import from_definition, load, load_file
from elexirion.pipelines.problems import PipelineInvalid
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipelines.files import SHARED, errors_of, loaded, pipeline, steps, warnings_of

REAL_FILES = {
    "examples__claude_batch_example.yaml": [],
    "examples__claude_robust_example.yaml": [],
    "examples__claude_session_example.yaml": [],
    "examples__comprehensive_config_example.yaml": [],
    "examples__data_transform_example.yaml": [],
    "examples__simple_test.yaml": [],
    "gemini_only_workflow.yaml": [],
    "test__fixtures__workflows__simple_workflow.yaml": [],
    "workflows__explain_code.yaml": ["code_file"],
    "test__fixtures__pipelines__nested_processor.yaml": ["item_count", "item_name", "multiplier"],
}


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the files of users are not at {SHARED}")
@pytest.mark.parametrize(("name", "needed"), REAL_FILES.items())
def test_a_real_file_loads_and_names_its_needed_inputs(name: str, needed: list[str]) -> None:
    found = load_file(SHARED / name)
    assert [one.name for one in found.needed_inputs] == needed
    assert from_definition(found.definition) == found.pipeline


WARNED_KEYS = {
    "examples__claude_batch_example.yaml": {30: "verbose", 52: "debug_mode"},
    "examples__claude_robust_example.yaml": {43: "debug_mode", 83: "cost_tracking", 84: "telemetry_enabled"},
    "examples__claude_session_example.yaml": {
        12: "checkpoint_frequency", 13: "description", 27: "checkpoint_frequency",
        41: "checkpoint_frequency", 42: "description", 49: "verbose",
    },
    "examples__comprehensive_config_example.yaml": {
        12: "checkpoint_enabled", 13: "checkpoint_dir", 25: "verbose", 71: "role", 89: "role", 91: "print",
        97: "verbose", 133: "verbose",
    },
    "test__fixtures__workflows__simple_workflow.yaml": {4: "checkpoint_enabled", 13: "role"},
}  # fmt: skip


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the files of users are not at {SHARED}")
@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_file_warns_of_each_key_without_effect_at_its_line(name: str) -> None:
    found = load_file(SHARED / name).warnings
    assert {one.line: one.key_path.rsplit(".", 1)[-1] for one in found} == WARNED_KEYS.get(name, {})
    assert all("accepted without effect" in one.message for one in found)


def test_a_needed_input_has_the_line_of_its_first_use() -> None:
    text = steps(
        "name: a, type: test_echo, value: '{{ topic }}'", "name: b, type: test_echo, value: '{{ inputs.topic }}'"
    )
    (one,) = loaded(text).needed_inputs
    assert (one.name, one.line) == ("topic", 4)


def test_a_name_with_a_default_is_no_needed_input() -> None:
    text = steps(
        "name: a, type: test_echo, value: \"{{ topic | default('x') }}{% if b is defined %}{{ b }}{% endif %}\""
    )
    assert loaded(text).needed_inputs == ()


def test_a_declared_input_is_needed_unless_it_has_a_default_or_is_optional() -> None:
    text = steps("name: a, type: test_echo") + "  inputs: {a: {type: string}, b: {default: 1}, c: {required: false}}\n"
    assert [one.name for one in loaded(text).needed_inputs] == ["a"]


def test_the_definition_goes_through_json_and_back() -> None:
    text = (
        steps("name: a, type: claude, prompt: hi, claude_options: {model: haiku}")
        + "  then:\n    - workflow:\n"
        + ("        name: q\n        steps: [{name: b, type: test_echo, value: '{{ input }}'}]\n")
    )
    found = loaded(text)
    assert from_definition(json.loads(json.dumps(found.definition))) == found.pipeline
    assert found.sha256 == from_definition(found.definition).sha256


def test_a_bare_root_and_json_load_like_yaml_below_workflow() -> None:
    bare = json.dumps({"name": "p", "steps": [{"name": "a", "type": "test_echo", "value": "😀"}]})
    assert pipeline(bare) == pipeline(steps("name: a, type: test_echo, value: 😀"))


def test_all_errors_of_a_file_come_at_once_each_at_its_line() -> None:
    text = steps(
        "name: a, type: claud, prompt: hi",
        "name: b, type: claude",
        "name: b, type: test_echo, value: '{{ steps.z.result }}'",
        "name: c, type: test_echo, value: '{{ 1 + }}'",
        "name: d, type: test_echo, condition: 'a.x >'",
        "name: e, type: gemini, prompt: 'x', functions: [nope]",
        "name: f, type: test_echo, value: '{{ g.result }}'",
        "name: g, type: test_echo, needs: [nobody]",
        "name: h, type: test_echo, delay_ms: -1",
        "name: i, type: test_echo, value: '{{ foo(1) }}{{ 2 | bar }}'",
        "name: j, type: for_loop",
    )
    found = errors_of(text)
    lines = [int(error.split(":")[0]) for error in found]
    assert set(lines) == set(range(4, 15))
    assert "4: Unknown step type 'claud'" in found
    assert "5: `prompt` is missing" in found
    assert "6: the name `b` is already that of the step at line 5" in found
    assert "6: the step `z` does not exist" in found
    assert "14: `steps` is missing" in found


def test_an_error_reads_as_file_line_column_message_path_and_hint() -> None:
    with pytest.raises(PipelineInvalid) as caught:
        loaded(steps("name: a, type: claud, prompt: hi"))
    (error,) = caught.value.errors
    assert str(error) == (
        "p.yaml:4:17: error: Unknown step type 'claud' (at workflow.steps[0].type). Hint: did you mean `claude`?"
    )


def test_an_error_in_a_block_text_has_the_line_within_the_text() -> None:
    text = "name: p\nsteps:\n  - name: a\n    type: test_echo\n    value: |\n      one\n      two\n      {{ 1 + }}\n"
    assert [error.split(":")[0] for error in errors_of(text)] == ["8"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "a pipeline is a mapping"),
        ("workflow: 3", "`workflow` is not a mapping"),
        ("name: p", "`steps` is missing"),
        ("name: p\nsteps: []", "`steps` is empty"),
        ("name: p\nsteps: [3]", "a mapping is expected here"),
        ("name: p\nsteps: [{name: a}]", "a step needs a `type`"),
        (steps("type: test_echo"), "`name` is missing"),
        (steps("name: a/b, type: test_echo"), "no `/`"),
        (steps("name: a, type: test_echo, timeout: soon"), "a duration is"),
        (steps("name: a, type: test_echo, timeout: 0"), "longer than 0"),
        (steps("name: a, type: test_echo, retry: {max_attempts: 0}"), "greater than or equal to 1|greater than 0"),
        (steps("name: a, type: claude, prompt: [{type: statik, content: x}]"), "unknown segment type 'statik'"),
        (steps("name: a, type: claude, prompt: [{type: static}]"), "`content` is missing"),
        (steps("name: a, type: claude, prompt: [{type: session_context}]"), "`session_id` is missing"),
        (steps("name: a, type: claude, prompt: x, claude_options: {max_turns: true}"), "valid integer"),
        (steps("name: a, type: set_variable"), "give either"),
        (steps("name: a, type: set_variable, variable: x"), "needs a `value`"),
        (steps("name: a, type: test_echo, condition: {xor: []}"), "`xor` is no operator"),
        (steps("name: a, type: test_echo, condition: 3"), "a condition is"),
        (steps("name: a, type: test_echo, value: '{{ a.result }}'"), "refers to itself"),
        (
            steps("name: a, type: claude, prompt: [{type: previous_response, step: b}]", "name: b, type: test_echo"),
            "comes later",
        ),
        (
            steps("name: a, type: test_echo, needs: [b]", "name: b, type: test_echo, needs: [a]"),
            "wait for each other",
        ),
        (steps("name: a, type: test_echo, value: '{% macro m() %}{% endmacro %}'"), "`macro` is not accepted"),
        (
            steps("name: a, type: test_echo") + "  output: '{{ nope.result }} {{ steps.x.text }}'\n",
            "`x` does not exist",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(PipelineInvalid, match=message):
        loaded(text)


def test_a_near_name_is_offered_for_a_step_that_does_not_exist() -> None:
    with pytest.raises(PipelineInvalid, match="did you mean `analysis`"):
        loaded(steps("name: analysis, type: test_echo", "name: b, type: test_echo, value: '{{ steps.analisis.text }}'"))


def test_a_step_beside_the_chain_may_not_be_referred_to() -> None:
    text = steps(
        "name: a, type: test_echo, needs: []",
        "name: b, type: test_echo, needs: []",
        "name: c, type: test_echo, needs: [a], value: '{{ b.result }}'",
    )
    assert errors_of(text) == ["6: the step `b` comes later or need not be over by then"]


def test_a_variable_may_be_used_only_after_the_step_that_sets_it() -> None:
    sets = "name: s, type: set_variable, variables: {x: 1}"
    uses = "name: u, type: test_echo, value: '{{ x }} {{ variables.x }}'"
    assert errors_of(steps(sets, uses)) == []
    assert len(errors_of(steps(uses, sets))) == 2


def test_unknown_keys_warn_with_a_near_name_and_have_no_effect() -> None:
    text = steps("name: a, type: claude, prompt: hi, claude_options: {max_turnz: 3}, outputt: x")
    found = loaded(text)
    assert [warning.key_path for warning in found.warnings] == [
        "workflow.steps[0].claude_options.max_turnz",
        "workflow.steps[0].outputt",
    ]
    assert found.warnings[0].hint == "did you mean `max_turns` or `max_tokens`?"
    assert "outputt" not in json.dumps(found.definition)


def test_keys_of_older_files_are_accepted_with_a_warning() -> None:
    text = steps("name: a, type: claude, role: brain, prompt: hi, claude_options: {verbose: true}") + "  hooks: {}\n"
    assert warnings_of(text) == [
        "4: `role` is accepted without effect",
        "4: `verbose` is accepted without effect",
        "5: `hooks` is accepted without effect",
    ]


def test_keys_of_data_are_no_unknown_keys() -> None:
    text = steps("name: a, type: test_echo, value: {anything: {goes: 1}}") + "  metadata: {any: 1}\n"
    assert warnings_of(text) == []


def test_a_chained_pipeline_is_checked_at_its_place() -> None:
    text = (
        steps("name: a, type: test_echo")
        + "  then:\n    - workflow:\n        name: q\n        steps:\n"
        + (
            "          - {name: b, type: test_echo, value: '{{ steps.zz.text }}{{ input }}', colour: red}\n"
            "          - {name: b, type: nope}\n"
        )
    )
    found = errors_of(text)
    assert [error.split(":")[0] for error in found] == ["9", "10", "10"]


def test_a_file_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff")
    for name in ("missing.yaml", "latin.yaml", "."):
        with pytest.raises(PipelineInvalid):
            load_file(tmp_path / name)


_KEYS = st.sampled_from(
    [
        "workflow",
        "name",
        "steps",
        "type",
        "prompt",
        "claude",
        "gemini",
        "test_echo",
        "set_variable",
        "condition",
        "value",
        "needs",
        "variables",
        "defaults",
        "inputs",
        "then",
        "output",
        "claude_options",
        "static",
        "retry",
        "on_error",
        "for_loop",
        "while_loop",
        "switch",
        "pipeline",
        "claude_batch",
        "cases",
        "default",
        "items",
        "tasks",
        "over",
        "as",
        "expression",
        "step_template",
        "config",
        "outputs",
    ]
)
_TEXTS = st.sampled_from(
    ["a", "{{ a }}", "{{", "{{ a ? b }}", "{% if %}", "a between", "claude", "test_echo", "30s", ""]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | _TEXTS | _KEYS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=30,
)
_KINDS = (
    "claude", "gemini", "test_echo", "set_variable", "for_loop", "while_loop", "switch", "pipeline", "claude_batch",
    "parallel_claude", "delay", "approval", "nope",
)  # fmt: skip
_STEP = st.dictionaries(_KEYS, _VALUES, max_size=5).flatmap(
    lambda extra: st.sampled_from(_KINDS).map(
        lambda kind: {"name": "a", "prompt": "x", "variables": {"v": 1}, **extra, "type": kind}
    )
)


@settings(deadline=None, max_examples=200)
@given(
    _VALUES
    | st.fixed_dictionaries(
        {"name": st.just("p"), "steps": st.lists(_STEP, max_size=4)},
        optional={"then": _VALUES, "on_error": _VALUES},
    )
)
def test_any_document_loads_or_is_refused_with_a_line(document: object) -> None:
    try:
        found = load(yaml.safe_dump(document, allow_unicode=True), "p.yaml")
    except PipelineInvalid as invalid:
        assert invalid.errors
        assert all(problem.line >= 1 and problem.column >= 1 for problem in invalid.problems)
    else:
        assert from_definition(json.loads(json.dumps(found.definition))) == found.pipeline


@given(st.text())
def test_any_text_loads_or_is_refused(text: str) -> None:
    with pytest.raises(PipelineInvalid):
        load(text, "p.yaml")
