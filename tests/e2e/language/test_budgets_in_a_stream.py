"""A call is cut in the middle once the run may use no more; an audited run is only warned."""

from elexirion.events.provider import ProviderResponded
from elexirion.events.run import BudgetExceeded
from elexirion.events.step import StepFailed

from tests.e2e.language.answers import said
from tests.e2e.language.runner import Runner
from tests.stub.client import StubServer

LONG = tuple("word " * 8 for _ in range(400))
TEXT = """\
name: cut
resource_limits: {max_tokens: 60, mode: %s}
steps: [{name: ask, type: claude, prompt: long, claude_options: {model: cut-short}}]
"""


async def test_a_call_is_aborted_when_its_text_passes_the_limit(runs: Runner, stub: StubServer) -> None:
    stub.answer(said(*LONG, delay_chunk_s=0.05))
    ended = await runs.failed(TEXT % "enforce")
    assert ended.run.failure is not None and ended.run.failure.kind == "budget"
    [exceeded] = ended.of(BudgetExceeded)
    assert (exceeded.limit, exceeded.allowed, exceeded.audit) == ("max_tokens", 60, False)
    [failed], [answer] = ended.of(StepFailed), ended.of(ProviderResponded)
    assert failed.failure.where == "resource_limits.max_tokens"
    assert 60 <= failed.usage.input_tokens + failed.usage.output_tokens < 80
    assert answer.usage == failed.usage == ended.run.usage
    calls = stub.wait_for(lambda calls: not any(call.is_open for call in calls))
    assert [call.states[-1] for call in calls] == ["client-disconnected"]


async def test_an_audited_run_is_warned_and_completes(runs: Runner, stub: StubServer) -> None:
    stub.answer(said(*LONG[:10]))
    ended = await runs.completed(TEXT.replace("60", "5") % "audit")
    assert [(one.limit, one.audit) for one in ended.of(BudgetExceeded)] == [("max_tokens", True)]
