"""`fallback`: a step that its own provider cannot answer is answered by another one, on another lane."""

from elexirion.events.step import FallbackChosen, StepScheduled

from tests.e2e.language.answers import completed, said
from tests.e2e.language.runner import Runner
from tests.stub.client import StubServer
from tests.stub.script import Answer, Rule

ASK = """\
name: fallback
defaults: {retry: {max_attempts: 2, base_delay_ms: 10}}
steps:
  - {name: ask, type: claude, prompt: a, claude_options: {model: away}, fallback: [gemini/flash, openai/own]}
"""


async def test_a_claude_step_is_answered_by_the_first_candidate_that_can(runs: Runner, stub: StubServer) -> None:
    stub.script(
        Rule(provider="claude", answer=Answer(status=529)),
        Rule(provider="gemini", answer=Answer(status=503)),
        Rule(provider="openai", answer=said("By the last.")),
    )
    ended = await runs.completed(ASK)
    assert ended.value("ask") == "By the last."
    assert [(data.number, data.fallback) for data in ended.of(FallbackChosen)] == [
        (1, "gemini/flash"),
        (2, "openai/own"),
    ]
    lanes = [(data.lane, data.attempt) for data in ended.of(StepScheduled)]
    assert lanes == [("claude", 1), ("claude", 2), ("gemini", 1), ("gemini", 2), ("openai", 1)]
    assert completed(ended, "ask").fallback == ended.step("ask").fallback == "openai/own"
    assert [call.asked.provider for call in stub.calls()] == [lane for lane, _ in lanes]


async def test_without_any_that_can_the_run_fails_with_the_last_failure(runs: Runner, stub: StubServer) -> None:
    stub.script(Rule(provider="openai", answer=Answer(status=401)), Rule(answer=Answer(status=529)))
    ended = await runs.failed(ASK)
    assert ended.run.failure is not None
    assert (ended.run.failure.kind, ended.run.failure.provider) == ("auth", "openai")
