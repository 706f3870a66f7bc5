"""Every name, function and form of a condition that templates document, in one run with a step for each."""

import asyncio
import re
from typing import Any

import orjson
import pytest
from elexirion.client import CommandRejectedError

from tests.e2e.cluster import Cluster
from tests.e2e.language.conftest import client_of
from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedUsage

BEFORE = """\
name: all names
inputs:
  given: {type: string, default: unused}
  declared: {type: integer, default: 5}
variables: {planned: [1, 2, 3], name: of the file}
global_vars: {everywhere: yes it is}
steps:
  - {name: numbers, type: test_echo, value: {score: 7, tags: [x, y], empty: [], words: " Some Words ", deep: {er: 1}}}
  - {name: told, type: claude, prompt: Give me data.}
  - {name: setting, type: set_variable, variables: {set: "{{ numbers.score }}"}}
  - {name: left_out, type: test_echo, value: 1, condition: "numbers.score > 100"}
  - {name: last, type: test_echo, value: the one before}
"""
INPUTS = {"given": "by the caller", "list": [3, 4]}
TOLD = Answer(chunks=('{"grade": ', '"A"}'), usage=ScriptedUsage(input=5, output=3))

NAMES: dict[str, tuple[str, Any]] = {
    "input_bare": ("{{ given }}", "by the caller"),
    "input": ("{{ inputs.given }}", "by the caller"),
    "input_default": ("{{ inputs.declared }}", 5),
    "input_undeclared": ("{{ inputs.list }}", [3, 4]),
    "variables": ("{{ variables.planned }}", [1, 2, 3]),
    "state": ("{{ state.planned }}", [1, 2, 3]),
    "variable_bare": ("{{ planned }}", [1, 2, 3]),
    "variable_set": ("{{ variables.set }} {{ state.set }} {{ set }}", "7 7 7"),
    "global_vars": ("{{ global_vars.everywhere }}", "yes it is"),
    "result": ("{{ steps.numbers.result.score }}", 7),
    "result_of_text": ("{{ steps.told.result }}", '{"grade": "A"}'),
    "text": ("{{ steps.told.text }}", '{"grade": "A"}'),
    "text_of_data": ("{{ steps.numbers.text }}", None),
    "data": ("{{ steps.told.data }}", {"grade": "A"}),
    "data_field": ("{{ steps.told.data.grade }}", "A"),
    "usage": ("{{ steps.told.usage.input_tokens }}/{{ steps.told.usage.output_tokens }}", "5/3"),
    "status": ("{{ steps.told.status }}", "completed"),
    "status_of_skipped": ("{{ steps.left_out.status }}", "skipped"),
    "success": ("{{ told.success }}", True),
    "success_of_skipped": ("{{ left_out.success }}", False),
    "content": ("{{ told.content }}", '{"grade": "A"}'),
    "bare_field": ("{{ numbers.score }}", 7),
    "bare_field_of_json_text": ("{{ told.grade }}", "A"),
    "bare_deep_field": ("{{ numbers.deep.er }}", 1),
    "previous_response": ("{{ previous_response }}", "the one before"),
    "previous_response_of": ("{{ previous_response:numbers.tags }}", ["x", "y"]),
    "previous_response_of_whole": ("{{ previous_response:last }}", "the one before"),
    "run_id": ("{{ run.id }}", None),
    "workflow_name": ("{{ workflow.name }}", "all names"),
    "timestamp": ("{{ timestamp }}", None),
    "filter": ("{{ planned | join('-') | upper }}", "1-2-3"),
    "text_around": ("score {{ numbers.score }}!", "score 7!"),
    "native_list": ("{{ numbers.tags }}", ["x", "y"]),
    "native_text_of_number": ("{{ '1e5' }}", "1e5"),
    "question_mark": ("{{ numbers.score > 5 ? 'high' : 'low' }}", "high"),
    "question_mark_in_text": ("{{ 'a ? b : c' }}", "a ? b : c"),
    "precedence_of_variable": ("{{ name }}", "of the file"),
}
FUNCTIONS: dict[str, tuple[str, Any]] = {
    "add": ("{{ add(2, 3) }}", 5),
    "subtract": ("{{ subtract(2, 3) }}", -1),
    "multiply": ("{{ multiply(numbers.score, 3) }}", 21),
    "divide": ("{{ divide(7, 2) }}", 3.5),
    "round": ("{{ round(2.345, 2) }}", 2.35),
    "round_to_whole": ("{{ round(2.5) }}", 3),
    "floor": ("{{ floor(2.9) }}", 2),
    "ceil": ("{{ ceil(2.1) }}", 3),
    "min": ("{{ min(3, 1, 2) }}", 1),
    "min_of_list": ("{{ min(planned) }}", 1),
    "max": ("{{ max(planned) }}", 3),
    "length": ("{{ length(numbers.tags) }}", 2),
    "count": ("{{ count(planned) }}", 3),
    "sum": ("{{ sum(planned) }}", 6),
    "average": ("{{ average(planned) }}", 2.0),
    "contains": ("{{ contains(numbers.tags, 'x') }}", True),
    "contains_text": ("{{ contains('seven', 'eve') }}", True),
    "startsWith": ("{{ startsWith('seven', 'se') }}", True),
    "starts_with": ("{{ starts_with('seven', 'ev') }}", False),
    "endsWith": ("{{ endsWith('seven', 'en') }}", True),
    "ends_with": ("{{ ends_with('seven', 'se') }}", False),
    "matches": ("{{ matches('seven', '^s.*n$') }}", True),
    "any": ("{{ any([false, true]) }}", True),
    "all": ("{{ all([false, true]) }}", False),
    "isEmpty": ("{{ isEmpty(numbers.empty) }}", True),
    "is_empty": ("{{ is_empty(numbers.tags) }}", False),
    "toLowerCase": ("{{ toLowerCase('AbC') }}", "abc"),
    "toUpperCase": ("{{ toUpperCase('AbC') }}", "ABC"),
    "trim": ("{{ trim(numbers.words) }}", "Some Words"),
    "between": ("{{ between(numbers.score, 5, 9) }}", True),
    "now": ("{{ now() }}", None),
}
CONDITIONS: dict[str, tuple[Any, bool]] = {
    "expression": ("steps.numbers.score > 5", True),
    "expression_false": ("steps.numbers.score > 7", False),
    "bare": ("numbers.score>7 or not left_out.success", True),
    "bare_step": ("told", True),
    "bare_skipped_step": ("left_out", False),
    "truth": (True, True),
    "falsehood": (False, False),
    "function": ("contains(numbers.tags, 'x')", True),
    "between": ("numbers.score between 5 and 9", True),
    "between_false": ("numbers.score between 8 and 9", False),
    "matches": ("told.grade matches '^[AB]$'", True),
    "matches_false": ("told.grade matches 'C'", False),
    "ternary": ("numbers.score > 5 ? true : false", True),
    "braces": ("{{ numbers.score == 7 }}", True),
    "braces_inside": ("{{ numbers.score }} > 7", False),
    "list_is_and": (["numbers.score > 5", "told.grade == 'A'"], True),
    "list_is_and_false": (["numbers.score > 5", "told.grade == 'B'"], False),
    "and": ({"and": ["numbers.score > 5", {"not": "left_out.success"}]}, True),
    "and_false": ({"and": ["numbers.score > 5", "left_out.success"]}, False),
    "or": ({"or": ["numbers.score > 9", "told.grade == 'A'"]}, True),
    "or_false": ({"or": ["numbers.score > 9", "told.grade == 'B'"]}, False),
    "not": ({"not": "numbers.score > 9"}, True),
    "tree": ({"or": [{"and": ["false", "true"]}, {"not": ["numbers.score > 5", "false"]}]}, True),
    "missing_field": ("numbers.absent > 3", False),
    "missing_field_negated": ("not numbers.absent", True),
}


@pytest.fixture(scope="module")
def rendered(language: Cluster, stub_process: StubServer, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run with a step for each case; one that fails does not hold up the others."""
    stub_process.reset()
    stub_process.answer(TOLD)

    async def run() -> Ended:
        async with client_of(language) as client:
            return await Runner(client, tmp_path_factory.mktemp("rendered")).completed(_pipeline(), INPUTS)

    return asyncio.run(run())


def _pipeline() -> str:
    steps = [_step(name, value=template) for name, (template, _) in {**NAMES, **FUNCTIONS}.items()]
    steps += [_step(f"if_{name}", value=1, condition=condition) for name, (condition, _) in CONDITIONS.items()]
    return BEFORE + "\n".join(f"  - {orjson.dumps(step).decode()}" for step in steps)


def _step(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": f"case_{name}", "type": "test_echo", "needs": ["last"], "continue_on_error": True, **keys}


@pytest.mark.parametrize("name", [name for name, (_, expected) in NAMES.items() if expected is not None])
def test_a_name(name: str, rendered: Ended) -> None:
    assert rendered.value(f"case_{name}") == NAMES[name][1]


def test_the_text_of_data_is_json(rendered: Ended) -> None:
    assert orjson.loads(rendered.value("case_text_of_data"))["deep"] == {"er": 1}


def test_names_of_the_run_itself(rendered: Ended) -> None:
    assert rendered.value("case_run_id") == rendered.id
    at = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d).*Z", rendered.value("case_timestamp"))
    assert at and at[1] == rendered.run.started_at.strftime("%Y-%m-%dT%H:%M:%S")
    assert rendered.value("case_now") >= rendered.value("case_timestamp")


@pytest.mark.parametrize("name", [name for name, (_, expected) in FUNCTIONS.items() if expected is not None])
def test_a_function(name: str, rendered: Ended) -> None:
    value, expected = rendered.value(f"case_{name}"), FUNCTIONS[name][1]
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition(name: str, rendered: Ended) -> None:
    step = rendered.step(f"case_if_{name}")
    assert step.status == ("completed" if CONDITIONS[name][1] else "skipped"), step.error or step.skip_reason


def test_a_missing_field_counts_as_false_and_says_so(rendered: Ended) -> None:
    assert "absent" in (rendered.step("case_if_missing_field").skip_reason or "")


REFUSED = {
    "a_step": ("{{ steps.nubmers.score }}", "nubmers.*numbers"),
    "a_bare_name_is_a_needed_input": ("{{ nubmers.score }}", "inputs are needed.*nubmers"),
    "a_function": ("{{ lenght(planned) }}", "lenght.*length"),
    "a_filter": ("{{ planned | jion }}", "jion.*join"),
    "a_template_that_does_not_parse": ("{{ numbers.score + }}", "pipeline:13"),
    "a_later_step": ("{{ steps.after.result }}", "after"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_is_refused_before_the_run(case: str, runs: Runner) -> None:
    template, said = REFUSED[case]
    step = _step("wrong", value=template)
    text = f"{BEFORE}  - {orjson.dumps(step).decode()}\n  - {{name: after, type: test_echo, value: 1}}\n"
    with pytest.raises(CommandRejectedError, match=f"(?s){said}"):
        await runs.ended(text, INPUTS)


async def test_a_field_that_is_not_there_fails_its_step_with_those_that_are(runs: Runner, stub: StubServer) -> None:
    stub.answer(TOLD)
    text = BEFORE + '  - {name: wrong, type: test_echo, value: "{{ numbers.scoer }}"}\n'
    ended = await runs.failed(text, INPUTS)
    assert ended.run.failed_step == "wrong"
    assert ended.run.failure and "scoer" in ended.run.failure.message and "score" in ended.run.failure.message


async def test_names_hide_each_other_in_the_documented_order(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: hidden
        inputs: {a: {default: input}, loop_item: {default: input}}
        variables: {a: variable, b: variable, loop_item: variable}
        steps:
          - {name: b, type: test_echo, value: step}
          - {name: c, type: test_echo, value: step}
          - {name: length, type: test_echo, value: step}
          - name: round
            type: for_loop
            as: loop_item
            over: [iterator]
            steps:
              - {name: seen, type: test_echo, value: "{{ loop_item }} {{ a }} {{ b }} {{ c }} {{ steps.b.result }}"}
        """
    )
    assert ended.value("round/0/seen") == "iterator input variable step step"


async def test_results_of_models_are_never_rendered(runs: Runner, stub: StubServer) -> None:
    stub.answer(Answer(chunks=("{{ inputs.secret }}",)))
    ended = await runs.completed(
        """\
        name: injected
        steps:
          - {name: said, type: claude, prompt: Say something.}
          - {name: echoed, type: test_echo, value: "{{ said.text }}"}
          - {name: again, type: test_echo, value: "{{ echoed.text }} {{ inputs.given }}"}
        """,
        {"secret": "told to nobody", "given": "{{ run.id }}"},
    )
    assert ended.value("again") == "{{ inputs.secret }} {{ run.id }}"
