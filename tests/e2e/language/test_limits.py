"""What a run may use, what happens when it fails, and what follows it."""

import pytest
from elexirion.client import Client, CommandRejectedError
from elexirion.events.run import BudgetExceeded, ErrorHandlingStarted, RunStarted
from elexirion.events.step import StepScheduled

from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, ScriptedUsage

YES = Answer(chunks=("Yes.",), usage=ScriptedUsage(input=3, output=1))
ASKING = """\
name: asking
resource_limits: {%s}
steps:
  - {name: first, type: claude, prompt: a, claude_options: {model: a-dear-model}}
  - name: more
    type: for_loop
    over: [1, 2, 3]
    steps: [{name: again, type: claude, prompt: b, claude_options: {model: a-dear-model}}]
  - {name: last, type: claude, prompt: c}
"""


@pytest.mark.parametrize(
    ("limit", "calls", "used"),
    [
        ("max_total_steps: 3", 3, 4),
        ("max_tokens: 7", 2, 8),
        ("max_cost_usd: 10", 2, 10.0),
        ("max_cost_usd: 0", 0, 0),
    ],
)
async def test_over_a_limit_nothing_more_is_called(
    limit: str, calls: int, used: float, runs: Runner, stub: StubServer
) -> None:
    stub.answer(YES)
    ended = await runs.failed(ASKING % limit)
    assert len(stub.calls()) == calls
    assert ended.run.failure and ended.run.failure.kind == "budget"
    [exceeded] = ended.of(BudgetExceeded)
    assert (exceeded.limit, exceeded.used) == (limit.partition(":")[0], used)


@pytest.mark.parametrize("limit", ["max_total_steps: 5", "max_tokens: 20", "max_cost_usd: 25", ""])
async def test_within_a_limit_everything_runs(limit: str, runs: Runner, stub: StubServer) -> None:
    stub.answer(YES)
    ended = await runs.completed(ASKING % limit)
    assert (len(stub.calls()), ended.of(BudgetExceeded)) == (5, [])


async def test_steps_are_nested_no_deeper_than_the_limit(runs: Runner) -> None:
    loop = "{name: %s, type: for_loop, over: [1], steps: [%s]}"
    inner = loop % ("b", "{name: c, type: test_echo, value: 1}")
    text = f"name: deep\nresource_limits: {{max_nesting_depth: %d}}\nsteps: [{loop % ('a', inner)}]\n"
    assert (await runs.completed(text % 3)).run.completed
    with pytest.raises(CommandRejectedError, match="max_nesting_depth"):
        await runs.ended(text % 1)


async def test_a_run_that_takes_too_long_ends_and_its_open_call_is_given_up(runs: Runner, stub: StubServer) -> None:
    stub.answer(Answer(chunks=("Yes.",), hold_before_chunk=1, hold="for ever"))
    ended = await runs.failed(ASKING % "max_execution_time_s: 0.5")
    assert [data.limit for data in ended.of(BudgetExceeded)] == ["max_execution_time_s"]
    assert (ended.run.duration_s or 0) >= 0.5
    [call] = stub.wait_for(lambda calls: not calls[0].is_open)
    assert call.states[-1] == "client-disconnected"


HANDLED = """\
name: handled
variables: {told: nobody}
steps:
  - {name: before, type: test_echo, value: so far}
  - name: each
    type: for_loop
    over: [1, 2]
    steps: [{name: bad, type: test_echo, value: 1, fail: "{{ item == 2 }}", error_message: no luck}]
  - {name: after, type: test_echo, value: never}
on_error:
  - {name: note, type: set_variable, variable: told, value: "{{ error.kind }}: {{ error.message }} at {{ error.step }}"}
  - {name: where, type: switch, expression: error.kind, cases: {
      step_error: [{name: tell, type: test_echo, value: "{{ told }} after {{ before.text }}"}]}}
  - {name: rest, type: test_echo, value: 1, condition: error.kind == 'budget'}
"""


async def test_handlers_of_an_error_know_it_and_what_came_before(runs: Runner) -> None:
    ended = await runs.failed(HANDLED)
    assert ended.run.failed_step == "each"
    assert ended.run.failure and "no luck" in ended.run.failure.message
    assert ended.value("where/tell") == f"step_error: {ended.run.failure.message} at each after so far"
    assert (ended.step("rest").status, ended.step("after").status) == ("skipped", "not_run")
    [handling] = ended.of(ErrorHandlingStarted)
    assert handling.step == "each"


async def test_handlers_do_not_run_where_nothing_fails(runs: Runner) -> None:
    ended = await runs.completed(HANDLED.replace("item == 2", "item == 3"))
    assert not ended.of(ErrorHandlingStarted)
    assert not [data for data in ended.of(StepScheduled) if data.step.startswith("where")]


async def test_a_handler_that_fails_leaves_the_first_failure_as_the_runs_own(runs: Runner) -> None:
    ended = await runs.failed(
        """\
        name: handler fails
        steps: [{name: bad, type: test_echo, value: 1, fail: true, error_message: the first}]
        on_error: [{name: worse, type: test_echo, value: 1, fail: true, error_message: the second}]
        """
    )
    assert (ended.run.failed_step, ended.step("worse").status) == ("bad", "failed")
    assert ended.run.failure and "the first" in ended.run.failure.message


async def test_handlers_run_over_budget_too(runs: Runner, stub: StubServer) -> None:
    stub.answer(YES)
    ended = await runs.failed(ASKING % "max_total_steps: 1" + "on_error: [{name: told, type: claude, prompt: sorry}]\n")
    assert ended.value("told") == "Yes."
    assert ended.run.failure and ended.run.failure.kind == "budget"


async def test_a_run_goes_on_after_a_failure_where_the_step_or_the_defaults_say_so(runs: Runner) -> None:
    ended = await runs.completed(
        """\
        name: goes on
        defaults: {continue_on_error: true}
        steps:
          - {name: bad, type: test_echo, value: 1, fail: true}
          - name: loop
            type: for_loop
            over: [1]
            steps: [{name: inner, type: test_echo, value: 1, fail: true, continue_on_error: false}]
          - {name: after, type: test_echo, value: "{{ bad.status }} {{ loop.status }} {{ bad.success }}",
             condition: not bad.success}
        """
    )
    assert ended.value("after") == "failed failed false"


FIRST = """\
name: first
steps:
  - name: each
    type: for_loop
    over: [1, 2, 3]
    steps: [{name: square, type: test_echo, value: "{{ item * item }}"}]
output: {squares: "each.results | map(attribute='result') | list", count: each.iterations}
"""
SECOND = """\
name: second
steps:
  - name: choose
    type: switch
    expression: inputs.count > 2
    cases: {"true": [{name: sum, type: test_echo, value: "{{ sum(squares) }}"}]}
  - {name: told, type: test_echo, value: "{{ sum.result }} of {{ inputs.input.count }}"}
"""
THIRD = """\
name: third
steps:
  - {name: child, type: pipeline, pipeline: {name: inner, steps: [{name: a, type: test_echo, value: "{{ x }}!"}]},
     inputs: {x: "{{ inputs.input }}"}}
"""


async def _chain(client: Client, ended: Ended, names: list[str]) -> list[Ended]:
    runner, found = Runner(client, None), [ended]  # type: ignore[arg-type]
    while (following := found[-1].run.next_run_id) is not None:
        found.append(await runner.end(client.run(following)))
    assert [one.run.pipeline for one in found] == names
    return found


async def test_pipelines_follow_each_other_each_with_the_output_before_it(runs: Runner) -> None:
    ended = await runs.end(await runs.begin(FIRST, then=[SECOND, THIRD]))
    first, second, third = await _chain(runs.client, ended, ["first", "second", "third"])
    assert first.result == {"squares": [1, 4, 9], "count": 3}
    assert second.of(RunStarted)[0].inputs == {"input": first.result, **first.result}
    assert (second.result, third.result) == ("14 of 3", "14 of 3!")
    assert (second.run.previous_run_id, third.run.previous_run_id) == (first.id, second.id)


async def test_a_chain_in_the_file_goes_before_that_of_the_command_and_halts_at_a_failure(runs: Runner) -> None:
    failing = "name: failing\nsteps: [{name: bad, type: test_echo, value: 1, fail: true}]\n"
    own = FIRST + "then:\n  - {name: own, steps: [{name: a, type: test_echo, value: '{{ inputs.count }}'}]}\n"
    ended = await runs.end(await runs.begin(own, then=[failing, THIRD]))
    _, second, third = await _chain(runs.client, ended, ["first", "own", "failing"])
    assert (second.result, third.run.status) == (3, "failed")
