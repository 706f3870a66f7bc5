"""`replay_from`: a recorded run answers the models of another one, and nothing that was not recorded."""

from __future__ import annotations

import json
from pathlib import Path

from elexirion.events.canonical import content_hash
from elexirion.events.commands import Replay
from elexirion.events.provider import ProviderRequested, ProviderResponded
from elexirion.events.step import StepRetryScheduled, ToolReturned

from tests.e2e.language.answers import said
from tests.e2e.language.runner import Ended, Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule, ScriptedFunction

RECORDED = """\
name: recorded
inputs: {{topic: {{default: rivers}}}}
defaults: {{claude_model: taped, retry: {{base_delay_ms: 10}}}}
steps:
  - {{name: ask, type: claude, prompt: "{prompt}"}}
  - {{name: look, type: claude, prompt: look, claude_options: {{allowed_tools: [LS, Write]}}}}
  - {{name: data, type: gemini_structured, prompt: data, schema: {{type: object, required: [n]}}}}
  - {{name: many, type: claude_batch, items: [a, b], step_template: {{type: claude, prompt: "item {{{{ item }}}}"}}}}
output: {{ask: "{{{{ ask }}}}", look: "{{{{ look }}}}", n: "{{{{ data.n }}}}", many: "{{{{ many }}}}"}}
"""
PIPELINE = RECORDED.format(prompt="About {{ topic }}")


def _script(stub: StubServer) -> None:
    written = ScriptedFunction(name="Write", arguments={"path": "seen.txt", "content": "once"})
    stub.script(
        Rule(contains="About rivers", nth=1, answer=Answer(status=529)),
        Rule(contains="About rivers", answer=said("Rivers ", "carve ", "valleys.", delay_chunk_s=0.05)),
        Rule(contains="look", nth=1, answer=said("Let me see.", functions=(written,))),
        Rule(contains="look", answer=said("Seen.")),
        Rule(contains="data", nth=1, answer=said("{}")),
        Rule(contains="data", answer=said('{"n": 7}')),
        Rule(contains="item a", answer=said("A.")),
        Rule(contains="item b", answer=said("B.")),
    )


async def _recorded(runs: Runner, stub: StubServer) -> Ended:
    _script(stub)
    return await runs.completed(PIPELINE)


async def _replayed(runs: Runner, text: str, replay: Replay) -> Ended:
    return await runs.end(await runs.client.start(runs.reference(text), replay_from=replay))


async def test_a_recorded_run_is_played_back_without_a_call_and_with_an_equal_result(
    runs: Runner, stub: StubServer
) -> None:
    first = await _recorded(runs, stub)
    (runs.folder / "workspace/seen.txt").unlink(missing_ok=True)
    calls = len(stub.calls())
    again = await _replayed(runs, PIPELINE, Replay(run_id=first.id))
    assert again.run.completed, again.run.failure
    assert (len(stub.calls()), content_hash(again.result)) == (calls, content_hash(first.result))
    assert [step.usage for step in again.run.steps] == [step.usage for step in first.run.steps]
    assert again.run.cost_usd == 0.0
    assert {data.provider for data in again.of(ProviderRequested)} == {"recorded"}
    assert all(data.replayed_from for data in again.of(ProviderResponded))
    assert len(again.of(StepRetryScheduled)) == len(first.of(StepRetryScheduled)) == 1, "what failed, fails again"
    assert len(again.of(ToolReturned)) == 1
    assert not (runs.folder / "workspace/seen.txt").exists(), "a tool that answered once is not run again"
    third = await _replayed(runs, PIPELINE, Replay(run_id=again.id, timing="compressed"))
    assert content_hash(third.result) == content_hash(first.result), "what was played back is a recording as well"


async def test_chunks_come_as_far_apart_as_they_did_or_at_once(runs: Runner, stub: StubServer) -> None:
    text = "name: slow\nsteps: [{name: ask, type: claude, prompt: slow}]"
    stub.answer(said("a", "b", "c", "d", delay_chunk_s=0.2))
    first = await runs.completed(text)
    as_recorded = await _seconds(runs, text, Replay(run_id=first.id))
    at_once = await _seconds(runs, text, Replay(run_id=first.id, timing="compressed"))
    assert as_recorded >= 0.55 > at_once
    assert len(stub.calls()) == 1


async def _seconds(runs: Runner, text: str, replay: Replay) -> float:
    [answer] = (await _replayed(runs, text, replay)).of(ProviderResponded)
    return answer.duration_s


async def test_a_changed_prompt_fails_loudly_and_says_where_but_not_what(runs: Runner, stub: StubServer) -> None:
    first = await _recorded(runs, stub)
    calls = len(stub.calls())
    ended = await _replayed(runs, RECORDED.format(prompt="Of {{ topic }}"), Replay(run_id=first.id))
    failure = ended.run.failure
    assert failure is not None
    assert (ended.run.status, ended.run.failed_step, failure.kind) == ("failed", "ask", "not_recorded")
    assert failure.message == "call 1 asks what was not recorded: prompt (line 1) differs"
    assert len(stub.calls()) == calls


async def test_a_run_that_was_never_recorded_answers_nothing(runs: Runner) -> None:
    ended = await _replayed(runs, PIPELINE, Replay(run_id="never-was"))
    assert ended.run.failure is not None
    assert ended.run.failure.message == "there is no run never-was in the log to answer from"


async def test_an_export_with_its_chunks_is_a_recording(runs: Runner, stub: StubServer, tmp_path: Path) -> None:
    first = await _recorded(runs, stub)
    calls = len(stub.calls())
    lines = [entry.value for entry in first.entries if entry.of_run]
    lines += [value async for value in runs.client.chunk_values(first.id)]
    file = tmp_path / "run.jsonl"
    file.write_bytes(b"\n".join(lines))
    assert json.loads(lines[0])["type"] == "RunStarted"
    again = await _replayed(runs, PIPELINE, Replay(file=str(file), timing="compressed"))
    assert again.run.completed, again.run.failure
    assert (len(stub.calls()), content_hash(again.result)) == (calls, content_hash(first.result))
