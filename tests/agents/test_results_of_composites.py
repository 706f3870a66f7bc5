"""What `output_schema` and `output_to_file` ask of steps that no worker runs, and how loops end."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from elexirion.agents.evaluated import Answer
from elexirion.agents.kafka.errors import BrokerUnreachableError
from elexirion.agents.orchestrator.plans import Plans
from elexirion.agents.questions import AboutChild, Question
from elexirion.projections.run_state import RunState

from tests.agents.memory_run import House, house_in


@pytest_asyncio.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    async with house_in(tmp_path) as open_house:
        yield open_house


COMPOSITES = {
    "claude_batch": "items: [a, b], step_template: {type: test_echo, value: '{{ item }}'}",
    "parallel_claude": "parallel_tasks: [{id: a, prompt: Hello}]",
    "for_loop": "over: [1, 2], steps: [{name: inner, type: test_echo, value: '{{ item }}'}]",
    "while_loop": "condition: 'loop.index < 2', steps: [{name: inner, type: test_echo, value: 1}]",
    "switch": "expression: 'true', cases: {'true': [{name: inner, type: test_echo, value: 1}]}",
    "set_variable": "variables: {a: 1}",
    "pipeline": "pipeline: {name: child, steps: [{name: inner, type: test_echo, value: {a: 1}}]}",
}
EACH = pytest.mark.parametrize(("kind", "keys"), COMPOSITES.items(), ids=COMPOSITES.keys())


def _text(kind: str, keys: str, more: str) -> str:
    return f"name: p\nsteps:\n  - {{name: s, type: {kind}, {keys}, {more}}}\n"


@EACH
async def test_a_result_that_does_not_fit_fails_the_step_and_says_where(kind: str, keys: str, house: House) -> None:
    ended = await house.run(_text(kind, keys, "output_schema: {required: [missing]}"))
    found, message = ended.failure("s")
    assert found == "schema_mismatch"
    assert message.startswith("the result does not fit output_schema: at $: required ['missing']")
    assert ended.state.status == "failed"


@EACH
async def test_a_result_that_fits_stands_in_its_file(kind: str, keys: str, house: House) -> None:
    ended = await house.run(
        _text(kind, keys, "output_schema: {type: object}, output_to_file: 'made/{{ workflow.name }}.json'")
    )
    written = json.loads((house.folder / "outputs/made/p.json").read_text())
    assert written == ended.value("s")


@EACH
async def test_a_file_that_cannot_be_written_fails_the_step(kind: str, keys: str, house: House) -> None:
    (house.folder / "outputs").write_text("no folder")
    ended = await house.run(_text(kind, keys, "output_to_file: x.json, continue_on_error: true"))
    assert ended.failure("s")[0] == "step_error"
    assert "could not be written" in ended.failure("s")[1]
    assert ended.state.status == "completed"


async def test_a_name_that_leaves_the_folder_fails_the_step(house: House) -> None:
    ended = await house.run(_text("for_loop", COMPOSITES["for_loop"], "output_to_file: ../x.json"))
    assert ended.failure("s")[0] == "evaluation"
    assert not (house.folder / "x.json").exists()


async def test_the_pattern_of_a_schema_runs_no_longer_than_it_may(house: House) -> None:
    endless = "output_schema: {properties: {results: {items: {properties: {result: {pattern: '(a|a)*$b'}}}}}}"
    loop = "over: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa], steps: [{name: i, type: test_echo, value: '{{ item }}'}]"
    ended = await house.run(_text("for_loop", loop, endless))
    assert "reached its limit of time" in ended.failure("s")[1]


async def test_what_is_no_schema_is_told(house: House) -> None:
    ended = await house.run(_text("for_loop", COMPOSITES["for_loop"], "output_schema: {type: nonsense}"))
    assert ended.failure("s")[0] == "invalid_request"


async def test_the_text_of_a_child_is_read_where_a_schema_asks_for_data(house: House) -> None:
    child = "pipeline: {name: child, steps: [{name: inner, type: test_echo, value: ' {\"a\": 1}'}]}"
    ended = await house.run(_text("pipeline", child, "output_schema: {type: object}"))
    assert ended.value("s") == {"a": 1}


async def test_the_end_of_a_child_waits_until_its_result_can_be_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, said = Plans.answer, []

    async def unsteady(plans: Plans, state: RunState, question: Question) -> Answer:
        if isinstance(question, AboutChild):
            said.append(question)
            if len(said) == 1:
                raise BrokerUnreachableError("nobody answers")
        return await answered(plans, state, question)

    monkeypatch.setattr(Plans, "answer", unsteady)
    ended = await house.run(_text("pipeline", COMPOSITES["pipeline"], "output_schema: {type: object}"))
    assert (ended.value("s"), len(said)) == ({"a": 1}, 2)


async def test_a_loop_that_is_cut_says_so(house: House) -> None:
    ended = await house.run(
        """\
        name: p
        steps:
          - {name: cut, type: for_loop, over: [1, 2, 3], max_iterations: 2, steps: [{name: a, type: test_echo}]}
          - {name: exact, type: for_loop, over: [1, 2], max_iterations: 2, steps: [{name: b, type: test_echo}]}
          - name: none
            type: for_loop
            over: []
            max_iterations: 2
            steps: [{name: c, type: test_echo}]
          - name: broken
            type: for_loop
            over: [1, 2, 3]
            max_iterations: 2
            break_condition: "item == 1"
            steps: [{name: d, type: test_echo, value: "{{ loop.length }}"}]
        """
    )
    reasons = {name: ended.value(name)["ended_because"] for name in ("cut", "exact", "none", "broken")}
    assert reasons == {"cut": "max_iterations", "exact": "completed", "none": "completed", "broken": "break"}
    assert ended.state.steps["cut"].ended_because == "max_iterations"
    assert ended.value("cut")["iterations"] == 2
    assert ended.value("broken/0/d") == 2  # `loop.length` counts the turns there may be


async def test_a_turn_is_left_out_by_the_results_of_the_turn_before(house: House) -> None:
    ended = await house.run(
        """\
        name: p
        steps:
          - name: each
            type: for_loop
            over: [1, 5, 2, 7]
            continue_condition: "seen.value > 4"
            steps: [{name: seen, type: test_echo, value: {value: "{{ item }}"}}]
        """
    )
    turns = ended.value("each")["results"]
    assert [turn["status"] for turn in turns] == ["completed", "completed", "skipped", "skipped"]


async def test_turns_beside_each_other_see_nothing_of_each_other(house: House) -> None:
    ended = await house.run(
        """\
        name: p
        steps:
          - name: each
            type: for_loop
            parallel: true
            over: [1, 5, 2, 7]
            continue_condition: "seen.value > 4 or item == 2"
            steps: [{name: seen, type: test_echo, value: {value: "{{ item }}"}}]
        """
    )
    turns = ended.value("each")["results"]
    assert [turn["status"] for turn in turns] == ["completed", "completed", "skipped", "completed"]
