"""The rows of the step table that hold steps, or start runs."""

from typing import Any

import pytest
from elexirion.client import CommandRejectedError
from elexirion.events.run import ChildRunEnded, ChildRunStarted, RunStarted
from elexirion.events.step import StepConcluded, StepExpanded, StepScheduled

from tests.e2e.language.runner import Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

# claude_batch -------------------------------------------------------------------------------------------


async def test_claude_batch(runs: Runner, stub: StubServer) -> None:
    stub.script(Rule(contains="two", answer=Answer(status=400)))
    text = """\
        name: batch
        steps:
          - name: batch
            type: claude_batch
            parallel: true
            batch_size: 2
            max_parallel: 2
            items: "{{ words }}"
            continue_on_error: %s
            step_template:
              type: claude
              prompt: "{{ loop.index }}: {{ item }}"
              retry: {max_attempts: 1}
          - {name: after, type: test_echo, value: "{{ batch.results[2].result }}"}
        """
    words = {"words": ["one", "two", "three"]}
    ended = await runs.completed(text % "true", words)
    result = ended.value("batch")
    assert [(part["index"], part["status"]) for part in result["results"]] == [
        (0, "completed"), (1, "failed"), (2, "completed"),
    ]  # fmt: skip
    assert [part["result"] for part in result["results"]] == ["You said: 0: one ", None, "You said: 2: three "]
    assert "400" in result["results"][1]["error"]
    assert (result["completed"], result["failed"]) == (2, 1)
    assert [group["completed"] for group in result["batches"]] == [1, 1]
    assert ended.value("after") == "You said: 2: three "

    failed = await runs.failed(text % "false", words)
    assert failed.run.failed_step == "batch"
    assert failed.run.failure and "batch/1" in failed.run.failure.message


async def test_claude_batch_of_tasks(runs: Runner, stub: StubServer) -> None:
    runs.file("notes.txt", "The notes.\n")
    ended = await runs.completed(
        """\
        name: tasks
        steps:
          - name: batch
            type: claude_batch
            batch_config: {max_parallel: 2, timeout_per_task: 5000, consolidate_results: true}
            claude_options: {model: common}
            prompt: [{type: static, content: First}]
            tasks:
              - {task_id: add, prompt: "one"}
              - {id: file, file: notes.txt, claude_options: {model: special}}
              - {prompt: [{type: static, content: "three"}]}
        """
    )
    result = ended.value("batch")
    assert [(part["id"], part["status"]) for part in result["results"]] == [
        ("add", "completed"), ("file", "completed"), ("2", "completed"),
    ]  # fmt: skip
    asked = {call.asked.prompt: call.asked for call in stub.calls()}
    assert set(asked) == {"First\none", "First\nThe notes.\n", "First\nthree"}
    assert [asked[prompt].model for prompt in ("First\none", "First\nThe notes.\n")] == ["common", "special"]
    assert all(text in result["text"] for text in ("You said: First one", "You said: First The notes."))
    assert {data.timeout_s for data in ended.of(StepScheduled)} == {5.0}


# parallel_claude ----------------------------------------------------------------------------------------


async def test_parallel_claude(runs: Runner, stub: StubServer) -> None:
    stub.script(
        Rule(contains="hello", answer=Answer(hold_before_chunk=1, hold="both", chunks=("Hello",))),
        Rule(contains="data", answer=Answer(hold_before_chunk=1, hold="both", chunks=('{"coverage": 80}',))),
    )
    handle = await runs.begin(
        """\
        name: parallel
        variables: {wanted: false}
        steps:
          - name: all
            type: parallel_claude
            parallel_tasks:
              - {id: words, prompt: Say hello., output_to_file: words.txt, claude_options: {model: own}}
              - {id: numbers, prompt: [{type: static, content: Give data.}]}
              - {id: left_out, prompt: Nothing., condition: wanted}
          - {name: used, type: test_echo, value: "{{ steps.all.result.words }} {{ all.numbers.coverage }}"}
        """
    )
    calls = stub.wait_for(lambda calls: sum(call.is_open for call in calls) == 2)
    assert "own" in {call.asked.model for call in calls}
    stub.release("both")
    ended = await runs.end(handle)
    assert ended.value("all") == {"words": "Hello", "numbers": {"coverage": 80}, "left_out": None}
    assert ended.value("used") == "Hello 80"
    assert (runs.folder / "outputs/words.txt").read_text() == "Hello"


# for_loop, while_loop -----------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", ["iterator: file, data_source: files", "as: file, over: '{{ inputs.files }}'"])
async def test_for_loop(keys: str, runs: Runner) -> None:
    ended = await runs.completed(
        f"""\
        name: for
        steps:
          - name: each
            type: for_loop
            {keys.replace(", ", chr(10) + " " * 12)}
            steps:
              - {{name: a, type: test_echo, value: "{{{{ file }}}}"}}
              - {{name: b, type: test_echo, value: "{{{{ a.text }}}}!"}}
          - {{name: last, type: test_echo, value: "{{{{ b.result }}}} {{{{ each.results[0].steps.a }}}}"}}
        """,
        {"files": ["x", "y"]},
    )
    result = ended.value("each")
    assert (result["iterations"], result["ended_because"]) == (2, "completed")
    assert [(turn["index"], turn["status"], turn["result"], turn["steps"]) for turn in result["results"]] == [
        (0, "completed", "x!", {"a": "x", "b": "x!"}), (1, "completed", "y!", {"a": "y", "b": "y!"}),
    ]  # fmt: skip
    assert ended.value("last") == "y! x"
    [expanded] = ended.of(StepExpanded)
    assert (expanded.shape, expanded.count) == ("loop", 2)


async def test_while_loop(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: while
        variables: {left: 3}
        steps:
          - name: down
            type: while_loop
            condition: {and: ["left > 0", {not: "left > 100"}]}
            max_iterations: 5
            steps: [{name: less, type: set_variable, variable: left, value: "{{ left - 1 }}"}]
        """
    )
    assert (ended.result["iterations"], ended.result["ended_because"]) == (3, "condition")
    assert [data.ended_because for data in ended.of(StepConcluded)] == ["condition"]


@pytest.mark.parametrize("most", [0, 1001])
async def test_while_loop_is_bounded(most: int, runs: Runner) -> None:
    with pytest.raises(CommandRejectedError, match="max_iterations"):
        await runs.ended(
            f"name: bad\nsteps: [{{name: w, type: while_loop, condition: true, max_iterations: {most}, "
            "steps: [{name: a, type: test_echo, value: 1}]}]"
        )


# switch -------------------------------------------------------------------------------------------------

SWITCH = """\
name: switch
steps:
  - name: way
    type: switch
    expression: %s
    cases:
      left: [{name: a, type: test_echo, value: went left}, {name: b, type: test_echo, value: "{{ a.text }} twice"}]
      7: [{name: c, type: test_echo, value: seven}]
      "true": [{name: d, type: test_echo, value: indeed}]
    %s
  - {name: after, type: test_echo, value: "{{ way.branch }}"}
"""
DEFAULT = "default: [{name: e, type: test_echo, value: none of them}]"


@pytest.mark.parametrize(
    ("expression", "value", "default", "branch", "result"),
    [
        ("where", "left", DEFAULT, "left", "went left twice"),
        ('"{{ where }}"', "left", DEFAULT, "left", "went left twice"),
        ("where", 7, DEFAULT, "7", "seven"),
        ("where == 'x'", "x", DEFAULT, "true", "indeed"),
        ("where", "elsewhere", DEFAULT, "default", "none of them"),
        ("where", "elsewhere", "", None, None),
    ],
)
async def test_switch(expression: str, value: Any, default: str, branch: str, result: Any, runs: Runner) -> None:
    ended = await runs.completed(SWITCH % (expression, default), {"where": value})
    assert (ended.value("way")["branch"], ended.value("way")["result"]) == (branch, result)
    ran = [data.step for data in ended.of(StepScheduled)]
    assert ran == {"left": ["way/a", "way/b"], "7": ["way/c"], "true": ["way/d"], "default": ["way/e"], None: []}[
        branch
    ] + ["after"]


# pipeline -----------------------------------------------------------------------------------------------

CHILD = """\
workflow:
  name: child
  inputs: {number: {type: integer}, word: {default: usual}}
  steps:
    - {name: double, type: test_echo, value: {twice: "{{ inputs.number * 2 }}", word: "{{ word }}"}}
    - {name: last, type: test_echo, value: "{{ double.twice }} {{ word }}"}
"""


async def test_pipeline(runs: Runner) -> None:
    runs.file("parts/child.yaml", CHILD)
    ended = await runs.completed(
        """\
        name: parent
        variables: {n: 21}
        steps:
          - {name: whole, type: pipeline, pipeline_file: parts/child.yaml, inputs: {number: "{{ n }}"}}
          - name: chosen
            type: pipeline
            pipeline_file: parts/child.yaml
            inputs: {number: 1, word: own}
            outputs: [double.twice, {path: steps.last.result, as: said}]
          - name: inline
            type: pipeline
            pipeline: {name: within, steps: [{name: a, type: test_echo, value: "{{ inputs.x }}!"}]}
            inputs: {x: "{{ chosen.said }}"}
          - name: inheriting
            type: pipeline
            config: {inherit_context: true}
            pipeline: {name: heir, steps: [{name: b, type: test_echo, value: "{{ n }} {{ given }}"}]}
        """,
        {"given": "by the caller"},
    )
    assert ended.value("whole") == "42 usual"
    assert ended.value("chosen") == {"twice": 2, "said": "2 own"}
    assert ended.value("inline") == "2 own!"
    assert ended.value("inheriting") == "21 by the caller"
    started, over = ended.of(ChildRunStarted), ended.of(ChildRunEnded)
    assert [data.child_run_id for data in started] == [data.child_run_id for data in over]
    child = await runs.child(started[0].child_run_id)
    assert child.run.completed
    [born] = child.of(RunStarted)
    assert born.parent and (born.parent.run_id, born.parent.step, born.parent.depth) == (ended.id, "whole", 1)


async def test_pipeline_counts_what_its_child_spent(runs: Runner, stub: StubServer) -> None:
    stub.answer(Answer(chunks=("Yes.",)))
    ended = await runs.completed(
        """\
        name: spending
        steps:
          - name: child
            type: pipeline
            pipeline: {name: asks, steps: [{name: ask, type: claude, prompt: a, claude_options: {model: a-dear-model}}]}
        """
    )
    assert (ended.run.usage.input_tokens, ended.run.usage.output_tokens) == (11, 7)
    assert ended.run.cost_usd == ended.step("child").cost_usd == 11 * 1.0 + 7 * 2.0


async def test_pipeline_of_an_offline_run_is_offline_too(runs: Runner, stub: StubServer) -> None:
    child = "{name: asks, steps: [{name: ask, type: claude, prompt: a}]}"
    text = f"name: parent\nsteps: [{{name: child, type: pipeline, pipeline: {child}}}]\n"
    ended = await runs.end(await runs.begin(text, offline=True))
    assert ended.run.completed and ended.run.offline and ended.result
    assert not stub.calls()


FAILING = "{name: bad, steps: [{name: fails, type: test_echo, value: 1, fail: true, error_message: no luck}]}"


async def test_pipeline_fails_with_its_child_unless_it_may_go_on(runs: Runner) -> None:
    text = """\
        name: parent
        steps:
          - {name: child, type: pipeline, config: {continue_on_error: %s}, pipeline: %s}
          - {name: after, type: test_echo, value: "{{ steps.child.status }}"}
        """
    failed = await runs.failed(text % ("false", FAILING))
    assert failed.run.failed_step == "child"
    assert failed.run.failure and "no luck" in failed.run.failure.message
    assert (await runs.completed(text % ("true", FAILING))).result == "failed"


async def test_pipeline_that_takes_too_long_is_cancelled(runs: Runner) -> None:
    ended = await runs.failed(
        """\
        name: impatient
        steps:
          - name: child
            type: pipeline
            config: {timeout_seconds: 0.5}
            pipeline: {name: slow, steps: [{name: waits, type: delay, seconds: 600}]}
        """
    )
    assert ended.run.failed_step == "child"
    child = await runs.child(ended.of(ChildRunStarted)[0].child_run_id)
    assert child.run.status == "cancelled"


async def test_pipeline_refuses_a_cycle_and_too_much_depth(runs: Runner) -> None:
    runs.file("a.yaml", "name: a\nsteps: [{name: to_b, type: pipeline, pipeline_file: b.yaml}]\n")
    runs.file("b.yaml", "name: b\nsteps: [{name: to_a, type: pipeline, pipeline_file: a.yaml}]\n")
    ended = await runs.failed("name: start\nsteps: [{name: begin, type: pipeline, pipeline_file: a.yaml}]\n")
    assert ended.run.failure and "is running already" in ended.run.failure.message

    inner = "{name: deepest, type: pipeline, config: {max_depth: 1}, pipeline: {name: c, steps: [%s]}}"
    echo = "{name: reached, type: test_echo, value: 1}"
    deep = inner % "{name: inner, type: pipeline, config: {max_depth: 1}, pipeline: {name: d, steps: [%s]}}" % echo
    ended = await runs.failed(f"name: deep\nsteps: [{deep}]\n")
    assert ended.run.failure and "max_depth" in ended.run.failure.message


async def test_pipeline_file_that_is_not_valid_or_not_there_is_told_with_its_place(runs: Runner) -> None:
    runs.file("bad.yaml", "name: bad\nsteps:\n  - {name: a, type: test_ecko, value: 1}\n")
    for file, said in (("bad.yaml", "bad.yaml:3"), ("gone.yaml", "gone.yaml cannot be read")):
        ended = await runs.failed(f"name: p\nsteps: [{{name: child, type: pipeline, pipeline_file: {file}}}]\n")
        assert ended.run.failure and said in ended.run.failure.message
