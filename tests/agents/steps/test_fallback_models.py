"""A step that is answered by another provider than its own: the same config, another wire."""

from typing import Any

from elexirion.agents.providers.gemini import GeminiWire
from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.port import Provider
from elexirion.agents.providers.prices import load_prices
from elexirion.agents.settings import Settings
from elexirion.agents.steps import claude, claude_robust
from elexirion.agents.steps.port import StepRunner
from elexirion.events.step import FallbackUsed, Lane, ToolReturned
from elexirion.events.values import Inline

from tests.agents.steps.running import Ended, asks, says, script
from tests.agents.working import Broker, execute, executor_of, until
from tests.stub.client import StubServer
from tests.stub.script import Answer

FLASH = "gemini/flash"
SETTINGS = Settings(trust_run_folders=True)


async def by_gemini(
    stub: StubServer, runner: StepRunner, config: dict[str, Any], fallback: str = FLASH, lane: Lane = "gemini"
) -> Ended:
    """Run a rendered claude config as its fallback on the gemini lane."""
    provider: Provider = HttpProvider(GeminiWire("key", stub.url), load_prices())
    broker = Broker()
    executor = executor_of(broker, runner, provider=provider)
    executor.accept(execute(lane=lane, timeout_s=30.0, input=Inline(value=config), fallback=fallback))
    await until(lambda: not executor.held_ids(), within_s=30)
    await provider.aclose()
    return Ended(broker)


async def test_a_claude_step_is_answered_by_the_model_of_its_fallback(stub: StubServer) -> None:
    script(stub, says("By another."))
    config = {
        "prompt": "rivers",
        "system": "Be brief.",
        "model": "opus",
        "options": {"max_tokens": 9, "temperature": 1},
    }
    ended = await by_gemini(stub, claude.runner(SETTINGS), config)
    assert (ended.result, ended.completed.fallback, ended.completed.model) == ("By another.", FLASH, "flash")
    (call,) = stub.calls()
    assert (call.asked.provider, call.asked.model, call.asked.system) == ("gemini", "flash", "Be brief.")


async def test_its_tools_go_with_it(stub: StubServer) -> None:
    script(stub, asks(("LS", {})), says("Seen."))
    config = {"prompt": "rivers", "options": {"allowed_tools": ["LS"]}}
    ended = await by_gemini(stub, claude.runner(SETTINGS), config)
    assert (ended.result, ended.completed.fallback, len(ended.of(ToolReturned))) == ("Seen.", FLASH, 1)


async def test_the_fallback_model_of_its_own_provider_is_not_asked_there(stub: StubServer) -> None:
    script(stub, Answer(status=529), says("never"))
    ended = await by_gemini(stub, claude.runner(SETTINGS), {"prompt": "x", "options": {"fallback_model": "haiku"}})
    assert (ended.failed.failure.kind, len(stub.calls()), ended.of(FallbackUsed)) == ("overloaded", 1, [])


async def test_a_robust_step_asks_all_candidates_before_something_stands_in(stub: StubServer) -> None:
    stub.answer(Answer(status=529))
    config = {
        "prompt": "x", "fallback_action": "emergency_response", "retry": {"max_attempts": 1, "retry_on": []},
        "fallback": [FLASH, "gemini/last"],
    }  # fmt: skip
    first = await by_gemini(stub, claude_robust.runner(SETTINGS), config)
    assert first.failed.failure.kind == "overloaded"
    last = await by_gemini(stub, claude_robust.runner(SETTINGS), config, "gemini/last")
    assert last.completed.fallback == "emergency_response"
