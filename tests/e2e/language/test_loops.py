"""What templates see inside of loops, and how loops end."""

import pytest
from elexirion.events.step import IterationEnded, StepScheduled

from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubServer


async def test_every_turn_sees_its_item_index_and_iterator(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: turns
        steps:
          - {name: list, type: test_echo, value: [a, {b: 1}, 3]}
          - name: each
            type: for_loop
            iterator: thing
            data_source: "{{ steps.list.result }}"
            steps:
              - name: seen
                type: test_echo
                value: ["{{ loop.item }}", "{{ loop.index }}", "{{ thing }}", "{{ item }}", "{{ thing.b | default(0)}}"]
        """
    )
    items = ["a", {"b": 1}, 3]
    seen = [ended.value(f"each/{index}/seen") for index in range(3)]
    assert seen == [[item, n, item, item, 1 if n == 1 else 0] for n, item in enumerate(items)]
    assert [turn["result"] for turn in ended.value("each")["results"]] == seen


async def test_nested_loops_see_both(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: nested
        steps:
          - name: outer
            type: for_loop
            as: row
            over: [[1, 2], [3]]
            steps:
              - {name: before, type: test_echo, value: "{{ loop.index }}"}
              - name: inner
                type: for_loop
                as: cell
                over: "{{ row }}"
                steps:
                  - {name: both, type: test_echo, value: "{{ row }} {{ cell }} {{ loop.index }} {{ before.result }}"}
              - {name: after, type: test_echo, value: "{{ loop.item }} {{ inner.iterations }}"}
        """
    )
    assert [ended.value(f"outer/0/inner/{n}/both") for n in (0, 1)] == ["[1, 2] 1 0 0", "[1, 2] 2 1 0"]
    assert ended.value("outer/1/inner/0/both") == "[3] 3 0 1"
    assert [ended.value(f"outer/{n}/after") for n in (0, 1)] == ["[1, 2] 2", "[3] 1"]


@pytest.mark.parametrize("condition", ["count < 4", "{{ state.count < 4 }}", "variables.count < 4"])
async def test_a_while_loop_counts(condition: str, runs: Runner) -> None:
    ended = await runs.completed(
        f"""\
        name: counting
        variables: {{count: 0}}
        steps:
          - name: up
            type: while_loop
            condition: "{condition}"
            max_iterations: 10
            steps:
              - {{name: one, type: set_variable, variable: count, value: "{{{{ add(count, 1) }}}}"}}
              - {{name: said, type: test_echo, value: "{{{{ loop.index }}}}: {{{{ count }}}}"}}
          - {{name: after, type: test_echo, value: "{{{{ count }}}} {{{{ up.iterations }}}}"}}
        """
    )
    result = ended.value("up")
    assert (result["iterations"], result["ended_because"]) == (4, "condition")
    assert [turn["result"] for turn in result["results"]] == ["0: 1", "1: 2", "2: 3", "3: 4"]
    assert ended.value("after") == "4 4"


async def test_a_while_loop_goes_by_the_results_of_its_last_turn(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: better and better
        steps:
          - name: improving
            type: while_loop
            condition: "not grade.good"
            steps:
              - {name: grade, type: test_echo, value: {score: "{{ loop.index }}", good: "{{ loop.index >= 2 }}"}}
        """
    )
    assert ended.value("improving")["iterations"] == 3


async def test_a_while_loop_ends_at_its_limits(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: limits
        steps:
          - name: turns
            type: while_loop
            condition: true
            max_iterations: 3
            steps: [{name: again, type: test_echo, value: 1}]
          - name: time
            type: while_loop
            condition: "true"
            timeout_seconds: 0.3
            max_iterations: 1000
            steps: [{name: slowly, type: test_echo, value: 1, delay_ms: 100}]
        """
    )
    assert (ended.value("turns")["iterations"], ended.value("turns")["ended_because"]) == (3, "max_iterations")
    assert ended.value("time")["ended_because"] == "timeout"
    assert 1 <= ended.value("time")["iterations"] <= 3


async def test_a_while_loop_inside_a_for_loop_begins_anew_each_turn(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: both loops
        variables: {total: 0}
        steps:
          - name: outer
            type: for_loop
            as: limit
            over: [2, 1]
            steps:
              - {name: reset, type: set_variable, variable: n, value: 0}
              - name: inner
                type: while_loop
                condition: n < limit
                steps:
                  - {name: more, type: set_variable, variables: {n: "{{ n + 1 }}", total: "{{ total + limit }}"}}
        output:
          total: total
          turns: "outer.results | map(attribute='steps.inner.iterations') | list"
        """
    )
    assert ended.result == {"total": 5, "turns": [2, 1]}


PARALLEL = """\
name: parallel
steps:
  - name: each
    type: for_loop
    parallel: true
    max_parallel: 3
    as: number
    over: [0, 1, 2, 3, 4, 5, 6, 7]
    %s
    steps:
      - {name: slow, type: test_echo, value: "{{ number }}", delay_ms: "{{ number == 0 and 200 or 20 }}"}
      - {name: doubled, type: test_echo, value: "{{ number * 2 }}"}
"""


async def test_a_parallel_loop_gives_results_in_order_and_holds_its_limit(runs: Runner) -> None:
    ended = await runs.completed(PARALLEL % "")
    assert [turn["result"] for turn in ended.value("each")["results"]] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert _most_turns_open(ended) == 3
    order = [data.step for data in ended.of(StepScheduled)]
    assert order.index("each/3/slow") < order.index("each/0/doubled")


async def test_a_parallel_loop_leaves_out_turns(runs: Runner) -> None:
    ended = await runs.completed(PARALLEL % 'continue_condition: "number % 2 == 1"')
    result = ended.value("each")
    assert [turn["result"] for turn in result["results"]] == [0, None, 4, None, 8, None, 12, None]
    assert (result["iterations"], result["completed"], result["skipped"]) == (4, 4, 4)


async def test_a_parallel_loop_breaks(runs: Runner) -> None:
    ended = await runs.completed(PARALLEL % 'break_condition: "doubled.result >= 6"')
    result = ended.value("each")
    assert result["ended_because"] == "break"
    assert [turn["result"] for turn in result["results"]] == [0, 2, 4, 6]
    assert not [data for data in ended.of(StepScheduled) if data.step.startswith("each/7/")]


async def test_a_loop_in_sequence_breaks_and_leaves_out(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: in sequence
        steps:
          - name: each
            type: for_loop
            as: number
            over: [1, 2, 3, 4, 5, 6]
            continue_condition: "number == 2"
            break_condition: "{{ square.result > 10 }}"
            steps: [{name: square, type: test_echo, value: "{{ number * number }}"}]
          - name: few
            type: for_loop
            over: [1, 2, 3]
            max_iterations: 2
            steps: [{name: one, type: test_echo, value: "{{ item }}"}]
        """
    )
    assert [turn["status"] for turn in ended.value("each")["results"]] == [
        "completed", "skipped", "completed", "completed",
    ]  # fmt: skip
    assert [data.ended_because for data in ended.of(IterationEnded) if data.step == "each"][-1] == "break"
    assert [turn["result"] for turn in ended.value("few")["results"]] == [1, 2]
    assert ended.value("few")["ended_because"] == "max_iterations"


async def test_a_failed_turn_fails_the_loop_unless_it_may_go_on(runs: Runner) -> None:
    text = """\
        name: failing turns
        steps:
          - name: each
            type: for_loop
            break_on_error: %s
            over: [1, 2, 3]
            steps:
              - {name: maybe, type: test_echo, value: "{{ item }}", fail: "{{ item == 2 }}", error_message: not two}
        """
    failed = await runs.failed(text % "true")
    assert failed.run.failed_step == "each"
    assert failed.run.failure and "each/1/maybe: not two" in failed.run.failure.message
    assert "each/2/maybe" not in {step.name for step in failed.run.steps if step.status == "completed"}

    result = (await runs.completed(text % "false")).value("each")
    assert [turn["status"] for turn in result["results"]] == ["completed", "failed", "completed"]
    assert "not two" in result["results"][1]["error"]
    assert (result["completed"], result["failed"]) == (2, 1)


async def test_steps_that_hold_steps_hold_each_other(runs: Runner, stub: StubServer) -> None:
    ended = await runs.completed(
        """\
        name: all in all
        steps:
          - name: outer
            type: for_loop
            as: way
            parallel: true
            over: [1, 2, 3]
            steps:
              - name: branch
                type: switch
                expression: way
                cases:
                  1:
                    - name: repeat
                      type: while_loop
                      condition: count.result != 2
                      steps: [{name: count, type: test_echo, value: "{{ loop.index }}"}]
                  2:
                    - name: batch
                      type: claude_batch
                      items: [a, b]
                      step_template: {prompt: "{{ item }} {{ way }} {{ loop.index }} {{ loop.parent.index }}"}
                default:
                  - name: child
                    type: pipeline
                    inputs: {v: "{{ way }}"}
                    pipeline: {name: inner, steps: [{name: z, type: test_echo, value: "{{ v }}"}]}
              - {name: end, type: test_echo, value: "{{ branch.branch }} {{ previous_response.steps | list }}"}
        """
    )
    assert [ended.value(f"outer/{n}/end") for n in range(3)] == ['1 ["repeat"]', '2 ["batch"]', 'default ["child"]']
    assert [ended.value(f"outer/0/branch/repeat/{n}/count") for n in range(3)] == [0, 1, 2]
    assert sorted(call.asked.prompt for call in stub.calls()) == ["a 2 0 1", "b 2 1 1"]
    assert ended.value("outer/2/branch/child") == 3


async def test_loops_run_beside_each_other_by_what_they_need(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: beside
        steps:
          - name: a
            type: for_loop
            over: [1, 2]
            steps: [{name: x, type: test_echo, value: "{{ item }}", delay_ms: 50}]
          - name: b
            type: for_loop
            needs: []
            over: [3, 4]
            steps:
              - {name: p, type: test_echo, value: "{{ item }}", delay_ms: 50}
              - {name: q, type: test_echo, value: 10, needs: []}
              - {name: y, type: test_echo, value: "{{ p.result + q.result }}", needs: [p, q]}
          - {name: c, type: test_echo, needs: [a, b], value: "{{ x.result }} {{ y.result }}"}
        """
    )
    assert ended.value("c") == "2 14"
    order = [data.step for data in ended.of(StepScheduled)]
    assert max(order.index("a/0/x"), order.index("b/0/p"), order.index("b/0/q")) < order.index("a/1/x")


async def test_what_a_loop_goes_over_has_to_be_a_list(runs: Runner) -> None:
    text = (
        "name: no list\nsteps: [{name: each, type: for_loop, over: %s, steps: [{name: a, type: test_echo, value: 1}]}]"
    )
    ended = await runs.failed(text % "inputs.what", {"what": "a secret text"})
    assert ended.run.failure and "must give a list" in ended.run.failure.message
    assert "secret" not in ended.run.failure.message


async def test_a_loop_over_nothing_has_no_turns(runs: Runner) -> None:
    ended = await runs.completed(
        "name: none\nsteps: [{name: each, type: for_loop, over: [], steps: [{name: a, type: test_echo, value: 1}]}]"
    )
    assert (ended.value("each")["iterations"], ended.value("each")["results"]) == (0, [])


def _most_turns_open(ended: Ended) -> int:
    most = 0
    for entry in ended.entries:
        inside = entry.state.steps["each"].inside if entry.state else None
        most = max(most, sum(because is None for because in inside.turns.values()) if inside else 0)
    return most
