"""What templates and conditions see, wherever their step stands: in loops, branches, batches, handlers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.agents.memory_run import House, MemoryRun, house_in


@pytest_asyncio.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    async with house_in(tmp_path) as open_house:
        yield open_house


async def test_a_turn_sees_its_item_its_place_and_those_of_the_loops_around_it(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: outer
            type: for_loop
            iterator: file
            over: [a, b]
            steps:
              - name: inner
                type: for_loop
                as: line
                over: [1, 2, 3]
                steps:
                  - name: see
                    type: test_echo
                    value: ["{{ file }}", "{{ line }}", "{{ item }}", "{{ loop }}"]
    """)
    *names, place = ended.value("outer/1/inner/2/see")
    assert names == ["b", 3, 3]
    around = place.pop("parent")
    assert place == {"item": 3, "index": 2, "first": False, "last": True, "length": 3}
    assert around == {"item": "b", "index": 1, "first": False, "last": True, "length": 2, "parent": None}


async def test_an_item_of_a_batch_sees_itself_and_the_loop_around_it(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: l
            type: for_loop
            iterator: file
            over: [x]
            steps:
              - name: b
                type: claude_batch
                items: [{n: 5}, {n: 6}]
                step_template: {type: test_echo, value: "{{ file }} {{ item.n }} {{ loop.index }} {{ loop.length }}"}
    """)
    assert [ended.value(f"l/0/b/{index}") for index in (0, 1)] == ["x 5 0 2", "x 6 1 2"]


async def test_a_turn_of_a_while_loop_keeps_the_item_of_the_loop_around_it(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: l
            type: for_loop
            iterator: file
            over: [x]
            steps:
              - name: w
                type: while_loop
                condition: loop.index < 2
                steps:
                  - {name: see, type: test_echo, value: "{{ file }} {{ item }} {{ loop.index }}"}
    """)
    assert [ended.value(f"l/0/w/{index}/see") for index in (0, 1)] == ["x x 0", "x x 1"]


async def test_the_response_before_is_that_of_the_step_above_inside_and_outside(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - {name: first, type: test_echo, value: one}
          - name: l
            type: for_loop
            over: [x]
            steps:
              - {name: a, type: test_echo, value: "{{ previous_response }} two"}
              - {name: b, type: test_echo, value: "{{ previous_response }} three"}
          - {name: after, type: test_echo, value: "{{ previous_response.iterations }}"}
    """)
    assert ended.value("l/0/a") == "one two"
    assert ended.value("l/0/b") == "one two three"
    assert ended.value("after") == 1


async def test_the_response_before_is_never_that_of_a_step_beside(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - {name: a, type: test_echo, value: a}
          - {name: beside, type: test_echo, needs: [], value: beside}
          - {name: b, type: test_echo, needs: [a], value: "{{ previous_response }}"}
    """)
    assert ended.value("b") == "a"


async def test_the_steps_of_the_last_turn_stand_after_the_loop(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: l
            type: for_loop
            over: [1, 2, 3]
            continue_condition: item == 3
            steps: [{name: a, type: test_echo, value: "{{ item * 10 }}"}]
          - {name: after, type: test_echo, value: "{{ steps.a.result }} {{ a.content }}"}
    """)
    assert ended.value("after") == "20 20", "the third turn was left out"


async def test_of_a_loop_that_was_broken_off_the_turn_stands_that_did_it(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: l
            type: for_loop
            parallel: true
            over: [1, 2, 3]
            break_condition: steps.a.result >= 2
            steps: [{name: a, type: test_echo, value: "{{ item }}"}]
          - {name: after, type: test_echo, value: "{{ steps.a.result }}"}
    """)
    assert "l/2/a" in ended.state.steps, "all began together"
    assert ended.value("after") == 2
    assert [part["index"] for part in ended.value("l")["results"]] == [0, 1]


async def test_the_steps_of_the_chosen_branch_stand_after_it(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: s
            type: switch
            expression: "'x'"
            cases:
              x: [{name: a, type: test_echo, value: one}]
              y: [{name: b, type: test_echo, value: two}]
          - {name: after, type: test_echo, value: "{{ steps.a.result }}"}
          - {name: never, type: test_echo, condition: "steps.b.result == 'two'"}
          - {name: always, type: test_echo, condition: "not b.success", value: here}
    """)
    assert ended.value("after") == "one"
    assert ended.state.steps["never"].status == "skipped"
    assert ended.value("always") == "here"


# Variables --------------------------------------------------------------------------------------------------

TURN_VARIABLES = """
    name: p
    variables: {tone: plain}
    steps:
      - name: outer
        type: for_loop
        over: [1, 2]
        steps:
          - {name: before, type: test_echo, value: "{{ tone }}"}
          - {name: set, type: set_variable, scope: loop, variable: tone, value: "turn {{ item }}"}
          - name: inner
            type: for_loop
            as: deep
            over: [5]
            steps:
              - {name: set_deep, type: set_variable, scope: loop, variable: tone, value: deep}
              - {name: within, type: test_echo, value: "{{ tone }}"}
          - {name: behind, type: test_echo, value: "{{ tone }}"}
      - {name: after, type: test_echo, value: "{{ tone }}"}
"""


async def test_a_variable_of_a_turn_holds_in_it_and_in_no_other(house: House) -> None:
    ended = await house.run(TURN_VARIABLES)
    assert [ended.value(f"outer/{turn}/before") for turn in (0, 1)] == ["plain", "plain"]
    assert [ended.value(f"outer/{turn}/inner/0/within") for turn in (0, 1)] == ["deep", "deep"]
    assert [ended.value(f"outer/{turn}/behind") for turn in (0, 1)] == ["turn 1", "turn 2"]
    assert ended.value("after") == "plain"
    assert ended.state.variables == {}


async def test_a_variable_of_the_run_that_a_turn_set_is_seen_by_the_next(house: House) -> None:
    ended = await house.run("""
        name: p
        variables: {total: 0}
        steps:
          - name: l
            type: for_loop
            over: [1, 2, 3]
            steps: [{name: add, type: set_variable, variable: total, value: "{{ total + item }}"}]
          - {name: after, type: test_echo, value: "{{ variables.total }}"}
    """)
    assert ended.value("after") == 6


async def test_the_turn_with_the_higher_index_sets_the_variable_also_where_steps_are_called_by_numbers(
    house: House,
) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: l
            type: for_loop
            parallel: true
            over: [a, b, c]
            steps:
              - {name: "2", type: test_echo, value: "{{ item }}"}
              - {name: "1", type: test_echo, value: "{{ item }}"}
              - {name: "0", type: set_variable, variable: last, value: "{{ item }}"}
    """)
    assert ended.state.variables == {"last": "c"}


# Handlers ---------------------------------------------------------------------------------------------------


async def test_handlers_see_what_failed_and_what_was_done_before(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - {name: a, type: test_echo, value: done}
          - {name: bad, type: test_echo, fail: true, error_message: no luck}
          - {name: never, type: test_echo}
        on_error:
          - {name: h, type: test_echo, value: "{{ error.step }} {{ error.kind }} {{ steps.a.result }}"}
          - {name: i, type: test_echo, condition: steps.never.success}
          - {name: j, type: test_echo, needs: [h], value: "{{ previous_response }}!"}
    """)
    assert ended.value("h") == "bad step_error done"
    assert ended.state.steps["i"].status == "skipped"
    assert ended.value("j") == "bad step_error done!"
    assert ended.state.status == "failed"


async def test_a_failure_inside_is_told_with_its_place(house: House) -> None:
    ended = await house.run("""
        name: p
        steps:
          - name: l
            type: for_loop
            over: [1]
            steps: [{name: bad, type: test_echo, fail: true, error_message: no luck}]
        on_error: [{name: h, type: test_echo, value: "{{ error.step }}: {{ error.message }}"}]
    """)
    assert ended.value("h").startswith("l: l/0/bad: ")
    assert "no luck" in ended.value("h")


# Child runs -------------------------------------------------------------------------------------------------


def child_of(ended: MemoryRun, path: str = "c") -> dict[str, object]:
    """What its step made of a child."""
    found = ended.value(path)
    assert isinstance(found, dict)
    return found


async def test_a_child_gives_the_outputs_that_are_asked_for(house: House) -> None:
    ended = await house.run(
        """
        name: p
        steps:
          - name: c
            type: pipeline
            inputs: {topic: "{{ inputs.theme }}"}
            outputs: [a.word, {path: steps.b.result, as: second}]
            pipeline:
              name: child
              steps:
                - {name: a, type: test_echo, value: {word: "{{ topic }}"}}
                - {name: b, type: test_echo, value: 2}
    """,
        theme="tides",
    )
    assert child_of(ended) == {"word": "tides", "second": 2}


async def test_a_child_that_inherits_gets_inputs_and_variables_below_its_own(house: House) -> None:
    ended = await house.run(
        """
        name: p
        variables: {tone: dry, topic: other}
        steps:
          - name: c
            type: pipeline
            config: {inherit_context: true}
            inputs: {topic: own}
            pipeline: {name: child, steps: [{name: a, type: test_echo, value: "{{ topic }} {{ tone }} {{ theme }}"}]}
    """,
        theme="tides",
    )
    assert ended.value("c") == "own dry tides"
