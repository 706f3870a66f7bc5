"""Runs one execution of a step type that asks Gemini or an OpenAI-compatible API, in the real worker."""

from typing import Any

from elexirion.agents.providers.http_provider import HttpProvider
from elexirion.agents.providers.offline import OfflineProvider
from elexirion.agents.providers.port import Provider
from elexirion.agents.settings import Settings
from elexirion.agents.steps.registry import RUNNERS
from elexirion.events.values import Inline

from tests.agents.providers.calling import a_provider
from tests.agents.steps.running import Ended
from tests.agents.working import Broker, execute, executor_of, until
from tests.stub.client import StubServer


async def ended_as(step_type: str, stub: StubServer | None, config: dict[str, Any], **settings: Any) -> Ended:
    """Run a step of this type with this rendered config to its end; without a stub the offline provider answers."""
    lane = "openai" if step_type == "openai" else "gemini"
    provider: Provider = OfflineProvider(100_000) if stub is None else a_provider(lane, stub)
    broker = Broker()
    executor = executor_of(broker, RUNNERS[step_type](Settings(**settings)), provider=provider)
    said = {"prompt": "rivers", "model": None if lane == "gemini" else "model-at-home", **config}
    executor.accept(execute(lane=lane, timeout_s=30, input=Inline(value=said)))
    await until(lambda: not executor.held_ids(), within_s=30)
    await provider.aclose()
    assert isinstance(provider, HttpProvider | OfflineProvider)
    return Ended(broker)
