"""The rows of the step table that ask a Claude model, one after another."""

from typing import Any

import pytest
from elexirion.events.provider import ProviderResponded
from elexirion.events.step import FallbackUsed, StepCompleted, StepRetryScheduled, ToolCalled, ToolReturned
from elexirion.events.values import Inline

from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubCall, StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction, ScriptedUsage

OVERLOADED = Answer(status=529)
ALL_TOOLS = {"Read", "Write", "Edit", "Glob", "Grep", "LS"}


def said(*pieces: str, **keys: Any) -> Answer:
    """An answer in these chunks."""
    return Answer(chunks=pieces, **keys)


def completed(ended: Ended, step: str) -> StepCompleted:
    """The report that ended a step."""
    return next(data for data in ended.of(StepCompleted) if f"/{step}#" in data.execution_id)


def by_step(stub: StubServer) -> dict[str, StubCall]:
    """The last call of each step."""
    return {str(call.asked.call_id).split("/", 1)[1].rpartition("#")[0]: call for call in stub.calls()}


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
        """
    )
    step, report = ended.step("ask"), completed(ended, "ask")
    assert step.result == "Rivers carve."
    assert (step.usage.input_tokens, step.usage.output_tokens, step.usage.cache_read_tokens) == (20, 5, 3)
    assert (step.model, report.stop_reason, report.chunks) == ("a-dear-model", "end_turn", 2)
    assert step.cost_usd is None, "the price of cached tokens is not known"
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
        Rule(nth=1, answer=said("I look. ", functions=(ScriptedFunction(name="Read", arguments={"path": "notes.txt"}),))),
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


# claude_session -----------------------------------------------------------------------------------------


def _turns(call: StubCall) -> list[tuple[str, str]]:
    """Who said what, on the wire."""
    return [(message["role"], _text(message["content"])) for message in call.asked.messages]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def test_claude_session(runs: Runner, stub: StubServer) -> None:
    stub.script(
        Rule(contains="And the fourth?", answer=said("Four.")), Rule(contains="And the third?", answer=said("Three.")),
        Rule(contains="And the second?", answer=said("Two.")), Rule(answer=said("One.")),
    )  # fmt: skip
    ended = await runs.completed(
        """\
        name: session
        steps:
          - name: start
            type: claude_session
            session_config: {session_name: tutor}
            prompt: What is the first?
          - name: go_on
            type: claude_session
            session_config: {session_name: tutor}
            conversation: [And the second?, {role: user, content: And the third?}]
          - {name: other, type: claude_session, prompt: Do you know me?}
          - name: short
            type: claude_session
            session_config: {session_name: tutor, max_turns: 1}
            prompt: And the fourth?
        """
    )
    first, second, third, other, short = stub.calls()
    begin = [("user", "What is the first?"), ("assistant", "One.")]
    then = [("user", "And the second?"), ("assistant", "Two.")]
    assert _turns(first) == begin[:1]
    assert _turns(second) == [*begin, then[0]]
    assert _turns(third) == [*begin, *then, ("user", "And the third?")]
    assert _turns(other) == [("user", "Do you know me?")]
    assert _turns(short) == [("user", "And the third?"), ("assistant", "Three."), ("user", "And the fourth?")]
    assert [ended.value(name) for name in ("start", "go_on", "other", "short")] == ["One.", "Three.", "One.", "Four."]
    added = completed(ended, "go_on").turns
    assert isinstance(added, Inline)
    assert added.value == [
        {"user": "And the second?", "assistant": "Two."}, {"user": "And the third?", "assistant": "Three."},
    ]  # fmt: skip


PERSISTENT = """\
name: persistent
steps:
  - name: ask
    type: claude_session
    session_config: {session_name: %s, persist: true}
    prompt: "%s"
"""


@pytest.mark.xfail(strict=True, reason="conversations are not shared between runs yet")
async def test_claude_session_goes_on_in_another_run_where_it_persists(runs: Runner, stub: StubServer) -> None:
    stub.answer(said("Blue."))
    name = f"tutor-{runs.folder.name}"
    await runs.completed(PERSISTENT % (name, "My colour is blue."))
    await runs.completed(PERSISTENT % (name, "What was my colour?"))
    first, second = stub.calls()
    assert _turns(first) == [("user", "My colour is blue.")]
    assert _turns(second) == [
        ("user", "My colour is blue."), ("assistant", "Blue."), ("user", "What was my colour?")
    ]  # fmt: skip


# claude_extract -----------------------------------------------------------------------------------------

REPORT = """\
# Findings

The river is long. It is also old.

- It carves its valley.
- It floods.

## Recommendations

1. Build dams.
2. Plant trees.

See [the map](https://example.org/map).

```python
print("river")
```
"""


async def test_claude_extract(runs: Runner, stub: StubServer) -> None:
    stub.script(
        Rule(contains="data", answer=said('Here it is:\n```json\n{"name": "Nile", ', '"km": 6650}\n```\n')),
        Rule(contains="report", answer=said(f"\n\n{REPORT}\n")),
    )
    ended = await runs.completed(
        """\
        name: extract
        steps:
          - {name: json, type: claude_extract, prompt: Give data., extraction_config: {format: json}}
          - name: by_schema
            type: claude_extract
            prompt: Give data.
            extraction_config:
              schema: {type: object, required: [km], properties: {km: {type: integer}}}
          - {name: not_json, type: claude_extract, prompt: Give a report., extraction_config: {output_format: json}}
          - {name: summary, type: claude_extract, prompt: Give a report.,
             extraction_config: {format: summary, max_summary_length: 40}}
          - {name: text, type: claude_extract, prompt: Give a report., extraction_config: {post_processing: [trim]}}
          - {name: structured, type: claude_extract, prompt: Give a report., extraction_config: {format: structured}}
          - {name: markdown, type: claude_extract, prompt: Give a report., extraction_config: {format: markdown}}
          - name: parts
            type: claude_extract
            prompt: Give a report.
            extraction_config:
              format: text
              include_metadata: true
              post_processing: [trim, validate, extract_code_blocks, extract_recommendations, extract_links,
                                extract_key_points, format_markdown, generate_summary]
        """
    )
    assert ended.value("json") == ended.value("by_schema") == {"name": "Nile", "km": 6650}
    not_json = ended.value("not_json")
    assert (not_json["format"], not_json["content"].strip()) == ("text", REPORT.strip())
    assert "not JSON" in not_json["warnings"][0]
    assert len(ended.value("summary")) <= 40
    assert ended.value("text") == REPORT.strip()
    assert ended.value("structured")["sections"]
    assert ended.value("markdown").startswith("# Findings\n\nThe river is long.")
    parts = ended.value("parts")
    assert parts["content"] == REPORT.strip()
    assert parts["code_blocks"][0]["code"].strip() == 'print("river")'
    assert [one.strip(".") for one in parts["recommendations"]] == ["Build dams", "Plant trees"]
    assert parts["links"][0]["url"] == "https://example.org/map"
    assert "It floods." in parts["key_points"]
    assert 0 < len(parts["summary"]) <= 500
    assert parts["metadata"]["model"] == ended.step("parts").model


async def test_claude_extract_fails_where_the_value_does_not_fit(runs: Runner, stub: StubServer) -> None:
    stub.answer(said('{"km": "many"}'))
    ended = await runs.failed(
        """\
        name: misfit
        steps:
          - name: wrong
            type: claude_extract
            prompt: Give data.
            extraction_config: {schema: {type: object, properties: {km: {type: integer}}}}
        """
    )
    assert ended.run.failure and ended.run.failure.kind == "schema_mismatch"
    assert "$.km" in ended.run.failure.message and "many" not in ended.run.failure.message


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
    stub.script(Rule(nth=1, answer=said("Paris", hold_before_chunk=1)), Rule(nth=1, answer=said("Paris")),
                Rule(answer=OVERLOADED))  # fmt: skip
    asking = (ROBUST % (question, action)).split("steps:\n")[1].partition("  - {name: after")[0]
    inside = asking.replace("\n", "\n      ").replace("name: ask", "name: warm")
    loop = f"  - name: both\n    type: for_loop\n    over: [1, 2]\n    parallel: true\n    steps:\n      {inside}\n"
    handle = await runs.begin(f"name: remembered\nsteps:\n{loop}{asking}")
    stub.wait_for(lambda calls: len(calls) == 2)
    stub.release()
    ended = await runs.end(handle)
    workers = {execution.incarnation for execution in ended.state.executions.values() if "warm" in execution.step}
    assert len(workers) == 2, "each worker remembers by itself"
    assert ended.value("ask") == "Paris"
    assert completed(ended, "ask").fallback == "cached_response"


async def test_claude_robust_without_a_fallback_fails_with_the_last_failure(runs: Runner, stub: StubServer) -> None:
    stub.answer(OVERLOADED)
    ended = await runs.failed((ROBUST % ("Which?", "null")))
    assert len(stub.calls()) == 2
    assert ended.run.failure and ended.run.failure.message.startswith("Max retries exceeded: ")
