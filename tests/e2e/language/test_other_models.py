"""The rows of the step table that ask Gemini models, or any OpenAI-compatible server."""

import json

import pytest
from elexirion.events.provider import ProviderRequested
from elexirion.events.step import StepCompleted, ToolCalled, ToolReturned
from elexirion.events.values import Inline

from tests.e2e.language.answers import said
from tests.e2e.language.runner import Runner
from tests.stub.client import StubServer
from tests.stub.script import Rule, ScriptedFunction, ScriptedUsage

SCHEMA = "{type: object, required: [score], properties: {score: {type: integer}, why: {type: string}}}"
FUNCTIONS = """\
gemini_functions:
  look_up:
    description: Looks a word up.
    parameters: {type: object, properties: {query: {type: string}, n: {type: integer}}, required: [query]}
  unknown_here:
    parameters: {type: object, properties: {a: {type: integer}}}
"""


async def test_gemini(runs: Runner, stub: StubServer) -> None:
    stub.answer(said("Rivers ", "carve.", usage=ScriptedUsage(input=4, output=2)))
    ended = await runs.completed(
        """\
        name: gemini
        defaults:
          gemini_model: gemini-of-defaults
          gemini_token_budget: {max_output_tokens: 100, top_k: 30}
        steps:
          - name: own
            type: gemini
            model: a-dear-model
            token_budget: {max_output_tokens: 50, temperature: 0.5, top_p: 0.75}
            prompt: Tell me.
          - {name: usual, type: gemini, prompt: Tell me.}
        """
    )
    own, usual = (call.asked for call in stub.calls())
    assert (own.provider, own.model, usual.model) == ("gemini", "a-dear-model", "gemini-of-defaults")
    assert own.options == {"maxOutputTokens": 50, "temperature": 0.5, "topP": 0.75, "topK": 30}
    assert usual.options == {"maxOutputTokens": 100, "topK": 30}
    step = ended.step("own")
    assert (step.result, step.usage.input_tokens, step.usage.output_tokens) == ("Rivers carve.", 4, 2)
    assert (step.cost_usd, ended.step("usual").cost_usd) == (4 * 1.0 + 2 * 2.0, None)
    assert ended.run.cost_usd is None, "an unknown price is never 0"


async def test_gemini_may_call_functions(runs: Runner, stub: StubServer) -> None:
    call = ScriptedFunction(name="look_up", arguments={"query": "river", "n": 3})
    stub.script(Rule(nth=1, answer=said("I look. ", functions=(call,))), Rule(answer=said("No need.")))
    ended = await runs.completed(
        f"""\
name: functions
{FUNCTIONS}
steps:
  - {{name: calls, type: gemini, prompt: Look., functions: [look_up]}}
  - {{name: argument, type: test_echo, value: "{{{{ calls.query }}}} {{{{ calls.n }}}}"}}
  - {{name: answers, type: gemini, prompt: Look., functions: [look_up, unknown_here]}}
"""
    )
    assert [one.asked.functions for one in stub.calls()] == [["look_up"], ["look_up", "unknown_here"]]
    assert ended.value("calls")["function_calls"] == [{"name": "look_up", "arguments": {"query": "river", "n": 3}}]
    assert ended.value("argument") == "river 3"
    assert ended.value("answers") == "No need."


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("gemini_structured", f"extraction_config: {{schema: {SCHEMA}}}"),
        ("gemini_structured", f"output_schema: {SCHEMA}"),
        ("gemini_instructor", f"schema: {SCHEMA}"),
    ],
)
async def test_gemini_structured(kind: str, place: str, runs: Runner, stub: StubServer) -> None:
    stub.script(Rule(nth=1, answer=said('{"score": "high"}')), Rule(answer=said('{"score": 7, ', '"why": "deep"}')))
    ended = await runs.completed(
        f"""\
        name: structured
        steps:
          - {{name: rate, type: {kind}, prompt: Rate it., {place}}}
          - {{name: used, type: test_echo, condition: rate.score > 5, value: "{{{{ steps.rate.data.why }}}}"}}
        """
    )
    assert ended.value("rate") == {"score": 7, "why": "deep"}
    assert ended.value("used") == "deep"
    first, second = (call.asked for call in stub.calls())
    assert first.prompt == "Rate it."
    assert "$.score" in second.prompt and '{"score": "high"}' in second.prompt
    assert [data.call_id for data in ended.of(ProviderRequested)] == [f"{ended.id}/rate#1/{n}" for n in (1, 2)]
    assert ended.step("rate").usage.output_tokens == 2 * ScriptedUsage().output


async def test_gemini_structured_repairs_once(runs: Runner, stub: StubServer) -> None:
    stub.answer(said('{"score": "high"}'))
    ended = await runs.failed(
        f"name: twice\nsteps: [{{name: rate, type: gemini_structured, prompt: a, output_schema: {SCHEMA}}}]"
    )
    assert len(stub.calls()) == 2
    assert ended.run.failure and ended.run.failure.kind == "schema_mismatch"
    assert ended.run.failure.message.startswith("Gemini structured output failed: ")
    assert "$.score" in ended.run.failure.message


async def test_gemini_instructor_without_a_schema_gives_an_object(runs: Runner, stub: StubServer) -> None:
    stub.answer(said('{"overall_score": 9}'))
    ended = await runs.completed("name: free\nsteps: [{name: rate, type: gemini_instructor, prompt: a}]")
    assert ended.value("rate") == {"overall_score": 9}


async def test_gemini_function(runs: Runner, stub: StubServer) -> None:
    stub.answer(
        said(
            functions=(
                ScriptedFunction(name="look_up", arguments={"query": "river", "n": 2}),
                ScriptedFunction(name="look_up", arguments={"query": 5}),
                ScriptedFunction(name="unknown_here", arguments={"a": 1}),
            )
        )
    )
    ended = await runs.completed(
        f"""\
name: function
{FUNCTIONS}
steps:
  - {{name: call, type: gemini_function, prompt: Look., functions: [look_up, unknown_here]}}
  - {{name: used, type: test_echo, value: "{{{{ call.query }}}}: {{{{ call.function_calls[0].result.found }}}}"}}
"""
    )
    answered, misfit, unanswered = ended.value("call")["function_calls"]
    assert answered == {
        "name": "look_up", "arguments": {"query": "river", "n": 2},
        "result": {"found": "river", "n": 2, "in_main_thread": False},
    }  # fmt: skip
    assert misfit["arguments"] == {"query": 5} and "error" in misfit and "result" not in misfit
    assert unanswered == {"name": "unknown_here", "arguments": {"a": 1}}, "only registered functions answer"
    assert ended.value("used") == "river: river"
    assert [(data.tool, data.arguments) for data in ended.of(ToolCalled)] == [
        ("look_up", {"query": "river", "n": 2}), ("look_up", {"query": 5}), ("unknown_here", {"a": 1}),
    ]  # fmt: skip
    returned = ended.of(ToolReturned)
    assert [(data.tool, data.is_error) for data in returned] == [("look_up", False), ("look_up", True)]
    assert isinstance(returned[0].result, Inline)


async def test_openai(runs: Runner, stub: StubServer) -> None:
    stub.answer(said("From a server ", "at home.", usage=ScriptedUsage(input=4, output=2)))
    ended = await runs.completed(
        """\
        name: openai
        steps:
          - name: own
            type: openai
            model: a-dear-model
            system_prompt: You are brief.
            temperature: 0.5
            options: {max_tokens: 60, seed: 7, temperature: 1}
            prompt: [{type: static, content: Tell}, {type: static, content: me.}]
          - {name: usual, type: openai, prompt: Tell me.}
        """
    )
    own, usual = (call.asked for call in stub.calls())
    assert (own.provider, own.prompt, own.system, own.model) == (
        "openai", "Tell\nme.", "You are brief.", "a-dear-model",
    )  # fmt: skip
    assert {"temperature": 0.5, "seed": 7}.items() <= own.options.items()
    assert 60 in (own.options.get("max_tokens"), own.options.get("max_completion_tokens"))
    assert usual.model == "a-local-model"
    step = ended.step("own")
    assert (step.result, step.model, step.cost_usd) == ("From a server at home.", "a-dear-model", 8.0)
    assert ended.of(StepCompleted)[0].stop_reason == "end_turn"


@pytest.mark.parametrize("key", ["base_url", "url"])
async def test_openai_is_asked_where_the_settings_say_and_never_where_the_file_does(
    key: str, runs: Runner, stub: StubServer
) -> None:
    stub.answer(said("Yes."))
    elsewhere = {"name": "ask", "type": "openai", "prompt": "a", key: "http://127.0.0.1:9/v1"}
    await runs.completed(f"name: where\nsteps: [{json.dumps(elsewhere)}]")
    assert len(stub.calls()) == 1
