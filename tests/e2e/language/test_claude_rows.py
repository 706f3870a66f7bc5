"""The rows of the step table that ask a Claude model, one after another."""

import pytest
from elexirion.events.provider import ProviderResponded
from elexirion.events.step import (
    FallbackUsed,
    StepRetryScheduled,
    StepScheduled,
    ToolCalled,
    ToolReturned,
)

from tests.e2e.language.answers import by_step, completed, said
from tests.e2e.language.runner import Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction, ScriptedUsage

OVERLOADED = Answer(status=529)
ALL_TOOLS = {"Read", "Write", "Edit", "Glob", "Grep", "LS"}


# claude -------------------------------------------------------------------------------------------------


async def test_claude(runs: Runner, stub: StubServer) -> None:
    stub.answer(said("Rivers ", "carve.", usage=ScriptedUsage(input=20, output=5, cache_read=3)))
    ended = await runs.completed(
        """\
        name: claude
        steps:
          - name: ask
            type: claude
            prompt: Tell me.
            claude_options:
              model: a-dear-model
              system_prompt: You are brief.
              append_system_prompt: And kind.
              temperature: 0.25
              max_tokens: 77
              stop_sequences: [END]
              timeout_ms: 5000
        """
    )
    step, report = ended.step("ask"), completed(ended, "ask")
    assert step.result == "Rivers carve."
    assert (step.usage.input_tokens, step.usage.output_tokens, step.usage.cache_read_tokens) == (20, 5, 3)
    assert (step.model, report.stop_reason, report.chunks) == ("a-dear-model", "end_turn", 2)
    assert step.cost_usd is None, "the price of cached tokens is not known"
    assert [data.timeout_s for data in ended.of(StepScheduled)] == [5.0]
    asked = stub.calls()[0].asked
    assert (asked.model, asked.system) == ("a-dear-model", "You are brief.\n\nAnd kind.")
    assert asked.options == {"temperature": 0.25, "max_tokens": 77, "stop_sequences": ["END"]}


async def test_claude_counts_what_it_cost(runs: Runner, stub: StubServer) -> None:
    stub.answer(said("Yes.", usage=ScriptedUsage(input=2, output=3)))
    ended = await runs.completed(
        "name: cost\nsteps: [{name: ask, type: claude, prompt: a, claude_options: {model: a-dear-model}}]"
    )
    assert ended.step("ask").cost_usd == ended.run.cost_usd == 2 * 1.0 + 3 * 2.0


async def test_claude_uses_tools_until_it_answers(runs: Runner, stub: StubServer) -> None:
    runs.file("workspace/notes.txt", "the secret is blue\n")
    stub.script(
        Rule(nth=1, answer=said("Wait. ", functions=(ScriptedFunction(name="Read", arguments={"path": "notes.txt"}),))),
        Rule(nth=1, answer=said(functions=(
            ScriptedFunction(name="Write", arguments={"file_path": "copy.txt", "content": "blue"}),
            ScriptedFunction(name="Bash", arguments={"command": "ls"}),
        ))),
        Rule(answer=said("It is blue.", usage=ScriptedUsage(input=1, output=1))),
    )  # fmt: skip
    ended = await runs.completed(
        """\
        name: tools
        steps:
          - name: ask
            type: claude
            prompt: What is the secret?
            claude_options: {allowed_tools: [Read, Write, Search], disallowed_tools: [Grep], max_turns: 5}
        """
    )
    first, second, third = stub.calls()
    assert first.asked.functions == ["Read", "Write"]
    assert "the secret is blue" in second.asked.prompt
    assert [call.asked.call_id for call in (first, second, third)] == [f"{ended.id}/ask#1/{n}" for n in (1, 2, 3)]
    assert (runs.folder / "workspace" / "copy.txt").read_text() == "blue"
    assert [data.tool for data in ended.of(ToolCalled)] == ["Read", "Write", "Bash"]
    assert [data.is_error for data in ended.of(ToolReturned)] == [False, False, True]
    assert ended.value("ask") == "It is blue."
    assert ended.step("ask").usage.input_tokens == sum(data.usage.input_tokens for data in ended.of(ProviderResponded))


async def test_claude_that_runs_out_of_turns_answers_with_a_marked_fallback(runs: Runner, stub: StubServer) -> None:
    stub.answer(said("Still looking. ", functions=(ScriptedFunction(name="LS", arguments={}),)))
    ended = await runs.completed(
        """\
        name: too many turns
        steps:
          - {name: ask, type: claude, prompt: Look., claude_options: {allowed_tools: [LS], max_turns: 2}}
        """
    )
    assert len(stub.calls()) == 2
    assert completed(ended, "ask").fallback == "max_turns"
    assert completed(ended, "ask").stop_reason == "max_turns"
    [fallback] = ended.of(FallbackUsed)
    assert "Claude exceeded max_turns, using fallback" in fallback.reason


async def test_claude_asks_its_fallback_model_where_the_first_is_overloaded(runs: Runner, stub: StubServer) -> None:
    stub.script(Rule(model="first", answer=OVERLOADED), Rule(model="second", answer=said("From the second.")))
    ended = await runs.completed(
        """\
        name: fallback model
        steps:
          - {name: ask, type: claude, prompt: a, claude_options: {model: first, fallback_model: second}}
        """
    )
    assert ended.value("ask") == "From the second."
    assert (ended.step("ask").model, completed(ended, "ask").fallback) == ("second", "second")
    assert [data.used for data in ended.of(FallbackUsed)] == ["second"]


async def test_claude_gives_data_for_json_output_and_text_else(runs: Runner, stub: StubServer) -> None:
    stub.answer(said('{"a": [1, ', "2]}"))
    ended = await runs.completed(
        """\
        name: formats
        defaults: {claude_output_format: json}
        steps:
          - {name: data, type: claude, prompt: a}
          - {name: text, type: claude, prompt: a, claude_options: {output_format: text}}
          - {name: stream, type: claude, prompt: a, claude_options: {output_format: stream_json}}
          - {name: field, type: test_echo, value: "{{ text.a[1] }}"}
        """
    )
    assert [ended.value(name) for name in ("data", "text", "stream")] == [{"a": [1, 2]}, *['{"a": [1, 2]}'] * 2]
    assert ended.value("field") == 2


async def test_claude_retries_by_the_key_of_older_files(runs: Runner, stub: StubServer) -> None:
    stub.script(Rule(nth=1, answer=OVERLOADED), Rule(answer=said("At last.")))
    ended = await runs.completed(
        """\
        name: retries
        steps:
          - name: ask
            type: claude
            prompt: a
            claude_options: {retry_config: {max_retries: 1, base_delay_ms: 5, retry_on: [api_error]}}
        """
    )
    assert ended.value("ask") == "At last."
    assert [data.delay_s for data in ended.of(StepRetryScheduled)] == [0.005]


# claude_smart -------------------------------------------------------------------------------------------


async def test_claude_smart(runs: Runner, stub: StubServer) -> None:
    stub.answer(said('{"ok": true}'))
    ended = await runs.completed(
        """\
        name: presets
        environment: {mode: production}
        steps:
          - {name: of_environment, type: claude_smart, prompt: a, environment_aware: true}
          - {name: of_mode, type: claude_smart, prompt: a}
          - {name: own, type: claude_smart, prompt: a, preset: analysis}
          - {name: explicit, type: claude_smart, prompt: a, preset: production, claude_options: {model: haiku}}
          - {name: chat, type: claude_smart, prompt: a, preset: chat}
          - {name: plain, type: claude, prompt: a}
          - {name: plain_with_preset, type: claude, prompt: a, preset: development}
        """
    )
    asked = {name: call.asked for name, call in by_step(stub).items()}
    models = {name: row.model.split("-")[1] for name, row in asked.items()}
    assert models == {
        "of_environment": "opus", "of_mode": "opus", "own": "opus", "explicit": "haiku", "chat": "sonnet",
        "plain": "sonnet", "plain_with_preset": "sonnet",
    }  # fmt: skip
    assert {name: set(row.functions) for name, row in asked.items()} == {
        "of_environment": {"Read"}, "of_mode": {"Read"}, "own": {"Read", "Glob", "Grep"}, "explicit": {"Read"},
        "chat": set(), "plain": set(), "plain_with_preset": ALL_TOOLS,
    }  # fmt: skip
    assert ended.value("of_mode") == {"ok": True}, "production gives JSON"
    assert ended.value("chat") == '{"ok": true}'


@pytest.mark.parametrize(
    ("keys", "functions"),
    [
        ("defaults: {claude_preset: production}\nenvironment: {mode: chat}", {"Read"}),
        ("environment: {mode: test}", {"Read"}),
        ("", ALL_TOOLS),
    ],
)
async def test_claude_smart_takes_the_preset_of_the_workflow(
    keys: str, functions: set[str], runs: Runner, stub: StubServer
) -> None:
    await runs.completed(f"name: preset\n{keys}\nsteps: [{{name: ask, type: claude_smart, prompt: a}}]")
    assert set(stub.calls()[0].asked.functions) == functions


# claude_robust ------------------------------------------------------------------------------------------

ROBUST = """\
name: robust
steps:
  - name: ask
    type: claude_robust
    prompt: "%s"
    retry_config: {max_retries: 1, base_delay_ms: 1, backoff_strategy: linear, retry_conditions: [api_error]}
    fallback_action: %s
  - {name: after, type: test_echo, value: "{{ ask.text }}"}
"""


async def test_claude_robust(runs: Runner, stub: StubServer) -> None:
    stub.script(Rule(nth=1, answer=OVERLOADED), Rule(answer=said("Paris")))
    ended = await runs.completed(ROBUST % ("Which capital?", "graceful_degradation"))
    assert ended.value("ask") == "Paris"
    assert (len(ended.of(StepRetryScheduled)), ended.of(FallbackUsed)) == (1, [])
    assert completed(ended, "ask").fallback is None


@pytest.mark.parametrize(
    ("action", "says"), [("graceful_degradation", "stands in for it"), ("emergency_response", "Emergency response")]
)
async def test_claude_robust_falls_back_to_a_prepared_text(
    action: str, says: str, runs: Runner, stub: StubServer
) -> None:
    stub.answer(OVERLOADED)
    ended = await runs.completed(ROBUST % ("Which capital?", action))
    assert len(stub.calls()) == 2
    assert says in ended.value("ask") == ended.value("after")
    assert [data.used for data in ended.of(FallbackUsed)] == [action]
    assert completed(ended, "ask").fallback == ended.step("ask").fallback == action


async def test_claude_robust_asks_for_less(runs: Runner, stub: StubServer) -> None:
    stub.script(Rule(contains="simply as you can", answer=said("Paris")), Rule(answer=OVERLOADED))
    ended = await runs.completed(ROBUST % ("Which capital?", "simplified_prompt"))
    assert len(stub.calls()) == 3
    assert ended.value("ask") == "Paris"
    assert completed(ended, "ask").fallback == "simplified_prompt"


@pytest.mark.parametrize("action", ["use_cached_response", "cached_response"])
async def test_claude_robust_gives_the_last_answer_to_the_same_question(
    action: str, runs: Runner, stub: StubServer
) -> None:
    question = f"Which capital has {runs.folder.name}?"
    # Four at once: a worker that seems to be busier than it is, by its last heartbeat, gets one of them all the same.
    stub.script(Rule(nth=1, answer=said("Paris", hold_before_chunk=1)),
                *(Rule(nth=1, answer=said("Paris")) for _ in range(3)), Rule(answer=OVERLOADED))  # fmt: skip
    asking = (ROBUST % (question, action)).split("steps:\n")[1].partition("  - {name: after")[0]
    inside = asking.replace("\n", "\n      ").replace("name: ask", "name: warm")
    loop = (
        f"  - name: both\n    type: for_loop\n    over: [1, 2, 3, 4]\n    parallel: true\n    steps:\n      {inside}\n"
    )
    handle = await runs.begin(f"name: remembered\nsteps:\n{loop}{asking}")
    stub.wait_for(lambda calls: len(calls) == 4)
    stub.release()
    ended = await runs.end(handle)
    workers = {execution.incarnation for execution in ended.state.executions.values() if "warm" in execution.step}
    assert len(workers) == 2, "each worker remembers by itself"
    assert ended.value("ask") == "Paris"
    assert completed(ended, "ask").fallback == "cached_response"


async def test_claude_robust_without_a_fallback_fails_with_the_last_failure(runs: Runner, stub: StubServer) -> None:
    stub.answer(OVERLOADED)
    ended = await runs.failed(ROBUST % ("Which?", "null"))
    assert len(stub.calls()) == 2
    assert ended.run.failure and ended.run.failure.message.startswith("Max retries exceeded: ")
